/**
 * The server at twice its capacity: requests come at a steady rate, whether those before them are answered or not, some hang up
 * while they wait. Each must get an answer: a text, or 429 with a time to ask again. Memory and the lag of the event loop are
 * what the server's /metrics say.
 */
import type { BenchOptions } from './options.ts';
import type { BenchResult } from './result.ts';
import { ask, load, quantile, type Sentence, Served, servedSentences } from './serve.ts';
import { median } from './statistics.ts';

/** Measured first: clients that wait for their answers. */
const CLIENTS = 16;
const CAPACITY_SECONDS = 15;
const OVERLOAD = 2;
/** One in so many requests hangs up after so long. */
const HANGS_UP = 20;
const HANG_UP_MS = 500;
const SAMPLE_MS = 2000;
/** Share of the time that is warm-up, at most 5 minutes. */
const WARM_UP = 0.25;
const LONGEST_WARM_UP_MS = 300_000;
/** Longer than the queue is at the capacity measured. */
const ANSWER_MS = 180_000;
const FLAT = 0.05;
const LAG = 0.05;

interface Sample {
  readonly ms: number;
  readonly server: number;
  readonly engine: number;
  /** 99th percentile of the event loop's lag since the last sample, seconds. */
  readonly lag: number;
}

export async function soak({ model, compute }: BenchOptions, minutes: number): Promise<BenchResult> {
  const sentences = await servedSentences();
  const ours = await Served.ours(['--model', model, '--compute', compute]);
  try {
    await load(ours.url, sentences, 4, 2);
    const { throughput } = await load(ours.url, sentences, CLIENTS, CAPACITY_SECONDS);
    const counts = new Map<string, number>();
    const samples: Sample[] = [];
    const begin = performance.now();
    const end = begin + 60_000 * minutes;
    const sampling = sampleUntil(ours.url, begin, end, samples);
    const pending = new Set<Promise<void>>();
    for (let sent = 0; performance.now() < end; sent++) {
      const due = begin + (1000 * sent) / (OVERLOAD * throughput);
      await new Promise((resolve) => setTimeout(resolve, Math.max(0, due - performance.now())));
      const one = outcome(ours.url, sentences[sent % sentences.length]!, sent % HANGS_UP === HANGS_UP - 1);
      const counted = one.then((what) => {
        counts.set(what, (counts.get(what) ?? 0) + 1);
        pending.delete(counted);
      });
      pending.add(counted);
    }
    await Promise.all(pending);
    await sampling;
    return result(minutes, throughput, counts, samples);
  } finally {
    await ours.stop();
  }
}

/** What became of a request: `text`, `busy`, `hung up`, or why it is lost. */
async function outcome(url: string, sentence: Sentence, hangsUp: boolean): Promise<string> {
  const stop = new AbortController();
  const timer = setTimeout(() => stop.abort(), hangsUp ? HANG_UP_MS : ANSWER_MS);
  try {
    const response = await ask(url, sentence, stop.signal);
    const body = (await response.json()) as { text?: string };
    if (response.status === 200 && body.text) return 'text';
    return response.status === 429 && response.headers.has('retry-after') ? 'busy' : `${response.status}`;
  } catch (error) {
    if (hangsUp && stop.signal.aborted) return 'hung up';
    return stop.signal.aborted ? 'no answer' : String((error as Error).cause ?? error);
  } finally {
    clearTimeout(timer);
  }
}

async function sampleUntil(url: string, begin: number, end: number, samples: Sample[]): Promise<void> {
  while (performance.now() < end) {
    await new Promise((resolve) => setTimeout(resolve, SAMPLE_MS));
    const text = await (await fetch(`${url}/metrics`)).text();
    const value = (name: string): number => Number(new RegExp(`^${name} (\\S+)`, 'm').exec(text)?.[1]);
    samples.push({
      ms: performance.now() - begin,
      server: value('process_resident_memory_bytes'),
      engine: value('whisper_transfer_engine_resident_memory_bytes'),
      lag: value('nodejs_eventloop_lag_p99_seconds'),
    });
  }
}

function result(
  minutes: number,
  throughput: number,
  counts: ReadonlyMap<string, number>,
  samples: readonly Sample[],
): BenchResult {
  const warmUp = Math.min(WARM_UP * 60_000 * minutes, LONGEST_WARM_UP_MS);
  const warm = samples.filter(({ ms }) => ms >= warmUp);
  const third = Math.max(1, Math.floor(warm.length / 3));
  const growth = (of: (sample: Sample) => number): number =>
    median(warm.slice(-third).map(of)) / median(warm.slice(0, third).map(of)) - 1;
  const all = growth(({ server, engine }) => server + engine);
  const lag = quantile(
    warm.map((sample) => sample.lag).sort((a, b) => a - b),
    0.99,
  );
  const lost = [...counts].filter(([what]) => !['text', 'busy', 'hung up'].includes(what));
  const percentOf = (share: number): string =>
    `${share >= 0 ? '+' : '−'}${Math.abs(100 * share).toFixed(1)} %`;
  const mebibytes = (of: (sample: Sample) => number): string =>
    `${Math.round(median(warm.slice(-third).map(of)) / 2 ** 20)} MiB`;
  return {
    title: `Server at ${OVERLOAD} times its capacity (${throughput.toFixed(2)} sentences a second) for ${minutes} minutes`,
    rows: [
      ...[...counts].map(([measure, count]) => ({ measure, ours: String(count) })),
      {
        measure: 'memory of the server',
        ours: `${mebibytes(({ server }) => server)} (${percentOf(growth(({ server }) => server))})`,
      },
      {
        measure: 'memory of the engine',
        ours: `${mebibytes(({ engine }) => engine)} (${percentOf(growth(({ engine }) => engine))})`,
      },
      { measure: 'lag of the event loop, p99', ours: `${(1000 * lag).toFixed(1)} ms` },
    ],
    goals: [
      {
        goal: 'every request has an answer',
        found: lost.length === 0 ? 'all' : lost.map(([what, count]) => `${count} × ${what}`).join(', '),
        reached: lost.length === 0 && (counts.get('text') ?? 0) > 0,
      },
      {
        goal: `memory within ${100 * FLAT} % after warm-up`,
        found: percentOf(all),
        reached: Math.abs(all) <= FLAT,
      },
      { goal: `lag p99 below ${1000 * LAG} ms`, found: `${(1000 * lag).toFixed(1)} ms`, reached: lag < LAG },
    ],
    notes: ['memory: the last third after warm-up against the first one, medians'],
    raw: { throughput, counts: Object.fromEntries(counts), samples },
  };
}
