/**
 * From the start of a process to the text of a recording of 5 s, ours and faster-whisper's in turns: with the model's files out
 * of the system's cache (cold) and in it (warm). Programs and libraries are in the cache both times.
 */
import { execFile } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { defaultThreads } from '../src/backend/threads.ts';
import type { BenchOptions } from './options.ts';
import { peerPython } from './peer.ts';
import { type BenchResult, inRepository, type Row } from './result.ts';
import { sentences } from './speech.ts';
import { median, pairwise, seconds, showRatios } from './statistics.ts';

const ROUNDS = 5;
const MAX_RATIO = 1;

/** Seconds, by the process itself but for `whole`. */
interface Load {
  /** From the start of the process to its end. */
  readonly whole: number;
  readonly imported: number;
  readonly loaded: number;
  readonly first: number;
  readonly text: string;
  readonly versions?: Record<string, string>;
}

const STATES = ['cold', 'warm'] as const;
type State = (typeof STATES)[number];

export async function load({ model, ctranslate2, compute }: BenchOptions): Promise<BenchResult> {
  const { audio } = (await sentences('en', 1))[0]!;
  const threads = String(defaultThreads());
  const ours = [process.execPath, inRepository('out/bench/js/bench/load-once.js'), model, audio, compute];
  const script = inRepository('bench/peers/faster_whisper_load.py');
  const peer = [peerPython(), script, ctranslate2, audio, threads];
  const hasPeer = existsSync(peerPython()) && existsSync(ctranslate2);
  const found = { ours: byState(), peer: byState() };
  for (let round = 0; round < ROUNDS; round++) {
    for (const state of STATES) {
      if (state === 'cold') await forget(model);
      found.ours[state].push(await once(ours));
      if (!hasPeer) continue;
      if (state === 'cold') await forget(ctranslate2);
      found.peer[state].push(await once(peer));
    }
  }
  const of = (loads: readonly Load[], part: 'whole' | 'imported' | 'loaded' | 'first') =>
    loads.map((load) => load[part]);
  const row = (state: State, measure: string, part: Parameters<typeof of>[1]): Row => {
    const [own, theirs] = [of(found.ours[state], part), of(found.peer[state], part)];
    return {
      measure: `${measure}, ${state}`,
      ours: seconds(median(own)),
      ...(hasPeer && { peer: seconds(median(theirs)), ratio: showRatios(pairwise(own, theirs)) }),
    };
  };
  const ratio = (state: State) =>
    hasPeer ? pairwise(of(found.ours[state], 'whole'), of(found.peer[state], 'whole')).median : undefined;
  return {
    title: `From the start of a process to the text of one recording; ours ${compute}, the peer int8; ${threads} threads`,
    rows: STATES.flatMap((state) => [
      row(state, 'the whole process', 'whole'),
      row(state, '  the program', 'imported'),
      row(state, '  the model', 'loaded'),
      row(state, '  the first text', 'first'),
    ]),
    goals: STATES.map((state) => ({
      goal: `${state}: at most the time of faster-whisper`,
      found: ratio(state)?.toFixed(2) ?? 'no peer',
      reached: ratio(state) === undefined ? undefined : ratio(state)! <= MAX_RATIO,
    })),
    notes: [
      "cold: the model's files are not in the system's cache; programs and libraries are",
      `text: ${found.ours.warm[0]!.text}`,
      ...(hasPeer
        ? [`peer's: ${found.peer.warm[0]!.text}`]
        : ['The peer is absent; see bench/peers/setup.sh.']),
    ],
    ...(hasPeer && { peerVersions: found.peer.warm[0]!.versions! }),
    raw: found,
  };
}

const byState = (): Record<State, Load[]> => ({ cold: [], warm: [] });

const run = promisify(execFile);

async function once([program, ...args]: readonly string[]): Promise<Load> {
  const started = performance.now();
  const { stdout } = await run(program!, args);
  const whole = (performance.now() - started) / 1000;
  return { ...JSON.parse(stdout.trim().split('\n').at(-1)!), whole };
}

/** Takes a model's files out of the system's cache: GNU dd tells it that they are not needed. */
async function forget(directory: string): Promise<void> {
  for (const name of readdirSync(directory)) {
    await run('dd', [`if=${join(directory, name)}`, 'iflag=nocache', 'count=0', 'status=none']);
  }
}
