/** Who speaks when: windows of speech, their embeddings, clusters of these, and the turns that follow from them. */

import { takeTurn } from '../abort.ts';
import { SAMPLE_RATE } from '../audio/sample-rate.ts';
import type { SpeechStretch } from '../audio/voice-activity.ts';
import { largest } from '../extremes.ts';
import { dot, unit } from '../vectors.ts';
import { averageLinkage, clustersAfter } from './cluster.ts';

/** A stretch in which one speaker speaks, in seconds. Speakers count from 1, in the order in which they first speak. */
export interface SpeakerTurn {
  readonly start: number;
  readonly end: number;
  readonly speaker: number;
}

export interface VoiceEmbedder {
  /** Vectors of length 1 for windows of 16 kHz samples. */
  readonly embed: (windows: readonly Float32Array[]) => Promise<Float32Array[]>;
  /** Clusters whose vectors have a lower mean cosine are two speakers. */
  readonly threshold: number;
}

export interface TurnOptions {
  /** Number of speakers, where it is known. Default: by the embedder's threshold. */
  readonly count?: number | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Called with the seconds of the recording that are done. */
  readonly onProgress?: ((seconds: number) => void) | undefined;
}

/** Shorter pauses do not part speech. */
const PAUSE = 0.3 * SAMPLE_RATE;
/** Windows are of this length, one begins half a window after the other. */
const WINDOW = 1.5 * SAMPLE_RATE;
/** Shorter windows get the most similar cluster, and take no part in the clustering: they tell words more than voices. */
const SHORTEST = 0.8 * SAMPLE_RATE;
/** A stretch that is shorter than this is no speech that could be heard. */
const AUDIBLE = 0.1 * SAMPLE_RATE;
/** Time is given to speakers in steps of this. */
const STEP = 0.25 * SAMPLE_RATE;
/** Windows embedded at a time. */
const AT_ONCE = 32;
/** A cluster of less speech, or of a smaller share of it, is no speaker: its windows go to the most similar speaker. */
const LEAST_WINDOWS = 3;
const LEAST_SHARE = 0.02;

interface Window extends SpeechStretch {
  /** Number of the stretch that it lies in. */
  readonly stretch: number;
}

/**
 * @param samples of the whole recording
 * @param runs of speech, in order
 */
export async function speakerTurns(
  samples: { readonly read: (from: number, to: number) => Promise<Float32Array> },
  runs: readonly SpeechStretch[],
  { embed, threshold }: VoiceEmbedder,
  { count, signal, onProgress }: TurnOptions = {},
): Promise<SpeakerTurn[]> {
  const stretches = joinedRuns(runs);
  const windows = stretches.flatMap((stretch, i) => windowsOf(stretch, i));
  const vectors: Float32Array[] = [];
  for (let start = 0; start < windows.length; start += AT_ONCE) {
    await takeTurn(signal);
    const some = windows.slice(start, start + AT_ONCE);
    // A block at a time: samples of long recordings are read in order.
    const from = some[0]!.start;
    const block = await samples.read(from, some.at(-1)!.end);
    for (const vector of await embed(some.map(({ start, end }) => block.slice(start - from, end - from))))
      vectors.push(vector);
    onProgress?.(some.at(-1)!.end / SAMPLE_RATE);
  }
  await takeTurn(signal);
  const voices = voicesOf(windows, vectors, threshold, count);
  return turnsOf(stretches, windows, vectors, voices);
}

function joinedRuns(runs: readonly SpeechStretch[]): SpeechStretch[] {
  const joined: { start: number; end: number }[] = [];
  for (const { start, end } of runs) {
    const last = joined.at(-1);
    if (last && start - last.end < PAUSE) last.end = end;
    else joined.push({ start, end });
  }
  return joined.filter(({ start, end }) => end - start >= AUDIBLE);
}

/** Windows that cover a stretch, the last one up to its end. */
function windowsOf({ start, end }: SpeechStretch, stretch: number): Window[] {
  const windows: Window[] = [];
  for (let at = start; ; at += WINDOW / 2) {
    if (end - at <= WINDOW) {
      windows.push({ start: Math.max(start, end - WINDOW), end, stretch });
      return windows;
    }
    windows.push({ start: at, end: at + WINDOW, stretch });
  }
}

/** The mean vector of each speaker. */
function voicesOf(
  windows: readonly Window[],
  vectors: readonly Float32Array[],
  threshold: number,
  count: number | undefined,
): Float32Array[] {
  const long = vectors.filter((_, i) => windows[i]!.end - windows[i]!.start >= SHORTEST);
  const used = long.length > 0 ? long : vectors;
  if (used.length === 0) return [];
  const merges = averageLinkage(used);
  const least = Math.min(used.length, Math.max(LEAST_WINDOWS, LEAST_SHARE * used.length));
  const groups = (made: number) => {
    const found: Float32Array[][] = [];
    for (const [i, cluster] of clustersAfter(used.length, merges, made).entries())
      (found[cluster] ??= []).push(used[i]!);
    return found.sort((a, b) => b.length - a.length);
  };
  let clusters: Float32Array[][];
  if (count === undefined) {
    const all = groups(merges.filter(({ similarity }) => similarity >= threshold).length);
    clusters = all.filter((cluster, i) => i === 0 || cluster.length >= least);
  } else {
    // As few clusters as have so many that are large enough; where none do, the largest.
    let made = Math.max(0, used.length - count);
    const enough = (some: readonly Float32Array[][]) => (some[count - 1]?.length ?? 0) >= least;
    for (let fewer = made; fewer >= 0 && used.length - fewer <= 10 * count; fewer--) {
      if (!enough(groups(fewer))) continue;
      made = fewer;
      break;
    }
    clusters = groups(made).slice(0, count);
  }
  return clusters.map(meanOf);
}

function meanOf(vectors: readonly Float32Array[]): Float32Array {
  const sum = new Float64Array(vectors[0]!.length);
  for (const vector of vectors) for (let i = 0; i < sum.length; i++) sum[i]! += vector[i]!;
  return unit(sum);
}

/** Each step of speech goes to the speaker whose mean is most similar to the windows over it. */
function turnsOf(
  stretches: readonly SpeechStretch[],
  windows: readonly Window[],
  vectors: readonly Float32Array[],
  voices: readonly Float32Array[],
): SpeakerTurn[] {
  const scores = vectors.map((vector) => voices.map((voice) => dot(vector, voice)));
  const turns: { start: number; end: number; speaker: number }[] = [];
  const numbers = new Map<number, number>();
  let first = 0;
  for (const [number, { start, end }] of stretches.entries()) {
    let last: (typeof turns)[number] | undefined;
    let after = first;
    while (after < windows.length && windows[after]!.stretch === number) after++;
    for (let at = start; at < end; at += STEP) {
      const to = Math.min(end, at + STEP);
      const sums = voices.map(() => 0);
      for (let i = first; i < after; i++) {
        const shared = Math.min(to, windows[i]!.end) - Math.max(at, windows[i]!.start);
        if (shared > 0) for (const [voice, score] of scores[i]!.entries()) sums[voice]! += score * shared;
      }
      const voice = sums.indexOf(largest(sums, (sum) => sum));
      if (!numbers.has(voice)) numbers.set(voice, numbers.size + 1);
      const speaker = numbers.get(voice)!;
      if (last?.speaker === speaker) last.end = to;
      else turns.push((last = { start: at, end: to, speaker }));
    }
    first = after;
  }
  return turns.map(({ start, end, speaker }) => ({
    start: start / SAMPLE_RATE,
    end: end / SAMPLE_RATE,
    speaker,
  }));
}
