/**
 * The server under load: clients that each send a sentence of about 5 s over HTTP, wait for its text, and send the next; ours
 * (`whisper-transfer serve`) against faster-whisper behind FastAPI with batches of CTranslate2's (bench/peers/serve_faster_whisper.py).
 * Both run on all cores, one after the other at each load, and the clients beside them. With `--soak`: see soak.ts.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { basename } from 'node:path';
import { createInterface } from 'node:readline';
import { readAudio } from '../src/audio/audio-file.ts';
import { SAMPLE_RATE } from '../src/audio/sample-rate.ts';
import { UserError } from '../src/errors.ts';
import type { BenchOptions } from './options.ts';
import { type BenchResult, inRepository } from './result.ts';
import { clipsOf, wordErrors } from './speech.ts';
import { percent } from './statistics.ts';

const LOADS = [1, 4, 16, 64];
const SECONDS = 12;
/** Sentences of these lengths. */
const SHORTEST = 3.5;
const LONGEST = 7;
/** Clients at which the throughput counts, and how many times the peer's it is to be. */
const GOAL_CLIENTS = 16;
const GOAL_RATIO = 4;

export interface Sentence {
  readonly name: string;
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly seconds: number;
  readonly text: string;
}

/** Sentences of about 5 s, English. */
export async function servedSentences(): Promise<Sentence[]> {
  const found: Sentence[] = [];
  for (const { audio, text } of await clipsOf('intro', 'en')) {
    const seconds = (await readAudio(audio)).length / SAMPLE_RATE;
    if (seconds < SHORTEST || seconds > LONGEST) continue;
    found.push({ name: basename(audio), bytes: new Uint8Array(await readFile(audio)), seconds, text });
  }
  return found;
}

/** A server in a process of its own. */
export class Served {
  private constructor(
    readonly url: string,
    readonly child: ChildProcess,
    readonly versions: Readonly<Record<string, string>>,
  ) {}

  /** Ours, as users start it. */
  static ours(options: readonly string[]): Promise<Served> {
    const command = [inRepository('dist/cli/main.js'), 'serve', '--port', '0', ...options];
    return Served.#start(process.execPath, command, (line) => ({ url: / at (http\S+)/.exec(line)?.[1] }));
  }

  /** In one line why there is none. */
  static async peer(model: string, port: number): Promise<Served | string> {
    const python = process.env.PEERS_PYTHON ?? inRepository('bench/peers/venv/bin/python');
    if (!existsSync(python))
      return `The peer is absent: no ${python}; bench/peers/setup.sh makes it, PEERS_PYTHON names another.`;
    const script = inRepository('bench/peers/serve_faster_whisper.py');
    try {
      return await Served.#start(python, [script, '--model', model, '--port', String(port)], (line) => ({
        url: `http://127.0.0.1:${port}`,
        versions: JSON.parse(line).versions,
      }));
    } catch (error) {
      return `The peer is absent: ${(error as Error).message}; see bench/peers/setup.sh.`;
    }
  }

  static async #start(
    command: string,
    options: readonly string[],
    ready: (line: string) => { url: string | undefined; versions?: Record<string, string> },
  ): Promise<Served> {
    const child = spawn(command, options, { stdio: ['ignore', 'pipe', 'pipe'] });
    let errors = '';
    child.stderr.on('data', (chunk) => {
      errors = (errors + chunk).slice(-2000);
    });
    for await (const line of createInterface(child.stdout)) {
      const { url, versions = {} } = ready(line);
      if (!url) continue;
      // Its log is not read: a full pipe would stop it.
      child.stdout.resume();
      const served = new Served(url, child, versions);
      await served.#answers();
      return served;
    }
    throw new UserError(`the server ended: ${errors.trim().split('\n').at(-1)}`);
  }

  async #answers(): Promise<void> {
    for (let tries = 0; tries < 100; tries++) {
      try {
        await fetch(this.url);
        return;
      } catch {
        await new Promise((resolve) => setTimeout(resolve, 100));
      }
    }
    throw new UserError(`${this.url}: found no answer for 10 s`);
  }

  stop(): Promise<void> {
    return new Promise((resolve) => {
      this.child.once('exit', () => resolve());
      this.child.kill('SIGTERM');
    });
  }
}

export async function ask(url: string, { name, bytes }: Sentence, signal?: AbortSignal): Promise<Response> {
  const form = new FormData();
  form.set('file', new File([bytes], name));
  form.set('model', 'whisper-1');
  form.set('language', 'en');
  return fetch(`${url}/v1/audio/transcriptions`, { method: 'POST', body: form, signal: signal ?? null });
}

export interface Load {
  readonly clients: number;
  /** Sentences answered in a second. */
  readonly throughput: number;
  /** Seconds from request to answer, in rising order. */
  readonly latencies: readonly number[];
  readonly texts: readonly { readonly text: string; readonly reference: string }[];
}

/** Clients that each send one sentence after the other, for a while; answers after its end are no throughput. */
export async function load(
  url: string,
  sentences: readonly Sentence[],
  clients: number,
  seconds: number,
): Promise<Load> {
  const latencies: number[] = [];
  let inTime = 0;
  const texts: { text: string; reference: string }[] = [];
  const end = performance.now() + 1000 * seconds;
  let next = 0;
  const client = async (): Promise<void> => {
    while (performance.now() < end) {
      const sentence = sentences[next++ % sentences.length]!;
      const begin = performance.now();
      const response = await ask(url, sentence);
      const { text, ...other } = (await response.json()) as { text?: string };
      if (text === undefined) throw new Error(`${url}: ${response.status} ${JSON.stringify(other)}`);
      latencies.push((performance.now() - begin) / 1000);
      if (performance.now() <= end) inTime++;
      texts.push({ text, reference: sentence.text });
    }
  };
  await Promise.all(Array.from({ length: clients }, client));
  latencies.sort((a, b) => a - b);
  return { clients, throughput: inTime / seconds, latencies, texts };
}

/** The value below which this share of sorted values lies. */
export const quantile = (sorted: readonly number[], share: number): number =>
  sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? Number.NaN;

const shown = ({ throughput, latencies }: Load): string =>
  `${throughput.toFixed(2)}/s; ${[0.5, 0.95, 0.99].map((share) => quantile(latencies, share).toFixed(2)).join(' / ')} s`;

/** Of sentences that both answered, each once: the slower side did not come to all. */
function errors(loads: readonly Load[], others: readonly Load[]): number {
  const byReference = (some: readonly Load[]): ReadonlyMap<string, string> =>
    new Map(some.flatMap(({ texts }) => texts.map(({ reference, text }) => [reference, text] as const)));
  const [own, other] = [byReference(loads), byReference(others)];
  const references = [...own.keys()].filter((reference) => others.length === 0 || other.has(reference));
  return wordErrors(
    references.map((reference) => own.get(reference)!),
    references,
    'en',
  );
}

export async function serve({ model, ctranslate2, compute }: BenchOptions): Promise<BenchResult> {
  const sentences = await servedSentences();
  const ours = await Served.ours(['--model', model, '--compute', compute]);
  const peer = await Served.peer(ctranslate2, 8123);
  const measured: { ours: Load; peer: Load | undefined }[] = [];
  try {
    // Both compile, and find their threads.
    await load(ours.url, sentences, 4, 2);
    if (typeof peer !== 'string') await load(peer.url, sentences, 4, 2);
    for (const clients of LOADS) {
      measured.push({
        ours: await load(ours.url, sentences, clients, SECONDS),
        peer: typeof peer === 'string' ? undefined : await load(peer.url, sentences, clients, SECONDS),
      });
    }
  } finally {
    await ours.stop();
    if (typeof peer !== 'string') await peer.stop();
  }
  const theirs = measured.flatMap(({ peer }) => (peer ? [peer] : []));
  const ratioAt = (clients: number): number | undefined => {
    const found = measured.find(({ ours }) => ours.clients === clients)!;
    return found.peer && found.ours.throughput / found.peer.throughput;
  };
  const ratio = ratioAt(GOAL_CLIENTS);
  const slower = measured.filter(
    ({ ours, peer }) => peer && quantile(ours.latencies, 0.95) >= quantile(peer.latencies, 0.95),
  );
  const own = measured.map((one) => one.ours);
  const ourErrors = errors(own, theirs);
  const peerErrors = theirs.length > 0 ? errors(theirs, own) : undefined;
  return {
    title: `Server, sentences of ${SHORTEST} to ${LONGEST} s: answers a second; p50 / p95 / p99 (${compute})`,
    rows: [
      ...measured.map(({ ours, peer }) => ({
        measure: `${ours.clients} client${ours.clients > 1 ? 's' : ''}`,
        ours: shown(ours),
        ...(peer && { peer: shown(peer), ratio: (ours.throughput / peer.throughput).toFixed(2) }),
      })),
      {
        measure: 'word error rate, of sentences that both answered',
        ours: percent(ourErrors),
        ...(peerErrors !== undefined && { peer: percent(peerErrors) }),
      },
    ],
    goals: [
      {
        goal: `at least ${GOAL_RATIO} times the peer's throughput at ${GOAL_CLIENTS} clients`,
        found: ratio === undefined ? 'no peer' : ratio.toFixed(2),
        reached: ratio === undefined ? undefined : ratio >= GOAL_RATIO,
      },
      {
        goal: 'a lower p95 at every load',
        found:
          theirs.length === 0
            ? 'no peer'
            : slower.length === 0
              ? 'lower at all'
              : `not at ${slower.map(({ ours }) => ours.clients).join(', ')} clients`,
        reached: theirs.length === 0 ? undefined : slower.length === 0,
      },
      {
        goal: 'word error rate at most 1 point above the peer’s',
        found: peerErrors === undefined ? 'no peer' : `${percent(ourErrors)} against ${percent(peerErrors)}`,
        reached: peerErrors === undefined ? undefined : ourErrors - peerErrors <= 0.01,
      },
    ],
    notes: [
      typeof peer === 'string'
        ? peer
        : `peer: faster-whisper ${peer.versions['faster-whisper']}, int8, all that waits in one batch, at most 16, behind FastAPI`,
    ],
    ...(typeof peer !== 'string' && { peerVersions: peer.versions }),
    raw: measured.map(({ ours, peer }) => ({
      ours: { ...ours, texts: ours.texts.length },
      ...(peer && { peer: { ...peer, texts: peer.texts.length } }),
    })),
  };
}
