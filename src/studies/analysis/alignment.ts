/**
 * SeqSimInterp (Shim et al., arXiv 2505.19606): the stretches of two utterances that match each other. SeqSim is a mean of
 * best matches, so that it can be read match by match.
 */

import { float32, type Runtime } from '../../backend/runtime.ts';
import { alignWords } from '../../decoding/alignment.ts';
import { decode } from '../../decoding/decode.ts';
import { Graph } from '../../graph/graph.ts';
import { clampMin, div, linear, mul, sqrt, sum } from '../../graph/ops.ts';
import type { ParallelClip } from '../../retrieval/parallel-clips.ts';
import { harmonicMean } from '../../retrieval/seq-sim.ts';
import { type EncodedClip, frameValues } from '../../whisper/encoded-clip.ts';
import type { WhisperModel } from '../../whisper/model.ts';

/** Frames a second. */
export const FRAME_RATE = 50;

export interface TimedWord {
  readonly text: string;
  /** Seconds. */
  readonly start: number;
  readonly end: number;
}

export interface WordMatch {
  readonly from: TimedWord;
  /** The word of the other clip in which most of this word's frames have their best match; undefined: between words. */
  readonly to: TimedWord | undefined;
  /** Share of this word's frames that do. */
  readonly share: number;
  /** Mean cosine of this word's frames with their best matches. */
  readonly cosine: number;
}

export interface Alignment {
  readonly source: ParallelClip;
  readonly target: ParallelClip;
  /** Cosines of frames, [source frames, target frames], row by row. */
  readonly cosines: Float32Array;
  readonly seqSim: number;
  /** For each source frame its best target frame, and the other way round. */
  readonly best: readonly number[];
  readonly bestBack: readonly number[];
  readonly sourceWords: readonly TimedWord[];
  readonly targetWords: readonly TimedWord[];
  readonly matches: readonly WordMatch[];
}

/** Aligns two clips by words: those of the model's transcript or, without a token for the language, of the manifest, spread evenly. */
export async function alignPair(
  model: WhisperModel,
  source: ParallelClip,
  target: ParallelClip,
): Promise<Alignment> {
  const cosines = await frameCosines(model.runtime, source.encoded, target.encoded);
  const [n, m] = [source.encoded.length, target.encoded.length];
  const best = Array.from({ length: n }, (_, i) => argMax(m, (j) => cosines[i * m + j]!));
  const bestBack = Array.from({ length: m }, (_, j) => argMax(n, (i) => cosines[i * m + j]!));
  const precision = best.reduce((total, j, i) => total + cosines[i * m + j]! / n, 0);
  const recall = bestBack.reduce((total, i, j) => total + cosines[i * m + j]! / m, 0);
  const [sourceWords, targetWords] = [await wordsOf(model, source), await wordsOf(model, target)];
  return {
    source,
    target,
    cosines,
    seqSim: harmonicMean(precision, recall),
    best,
    bestBack,
    sourceWords,
    targetWords,
    matches: sourceWords.map((word) => matchOf(word, targetWords, best, (i, j) => cosines[i * m + j]!)),
  };
}

/** [frames of x, frames of y], row by row */
async function frameCosines(runtime: Runtime, x: EncodedClip, y: EncodedClip): Promise<Float32Array> {
  const graph = new Graph();
  const unit = (name: string, frames: string) => {
    const t = graph.input(name, [frames, x.width]);
    return div(t, sqrt(clampMin(sum(mul(t, t), [1]), 1e-30)));
  };
  graph.output('cosines', linear(unit('x', 'n'), unit('y', 'm')));
  const program = await runtime.load(graph, { builtIn: () => true });
  const own = (clip: EncodedClip) =>
    float32(frameValues(clip).slice(0, clip.length * clip.width), [clip.length, clip.width]);
  const { fetched } = await runtime.run(program, { x: own(x), y: own(y) }, { fetch: ['cosines'] });
  await runtime.unload(program);
  return fetched.cosines!.data as Float32Array;
}

async function wordsOf(model: WhisperModel, { clip, encoded }: ParallelClip): Promise<TimedWord[]> {
  if (model.tokens.languages.has(clip.language)) {
    const prompt = model.tokens.prompt(clip.language, 'transcribe');
    const [decoded] = await decode(model, [encoded], { prompts: [prompt], stopLoops: true });
    return alignWords(model, encoded, decoded!.tokens, { prompt });
  }
  const words = clip.text.trim().split(/\s+/).filter(Boolean);
  const letters = words.reduce((total, word) => total + word.length, 0);
  const seconds = encoded.length / FRAME_RATE;
  let before = 0;
  return words.map((text) => {
    const start = (before / letters) * seconds;
    before += text.length;
    return { text, start, end: (before / letters) * seconds };
  });
}

function matchOf(
  word: TimedWord,
  targets: readonly TimedWord[],
  best: readonly number[],
  cosine: (i: number, j: number) => number,
): WordMatch {
  const first = Math.min(best.length - 1, Math.floor(word.start * FRAME_RATE));
  const last = Math.min(best.length, Math.max(first + 1, Math.ceil(word.end * FRAME_RATE)));
  const votes = new Map<TimedWord | undefined, number>();
  let total = 0;
  for (let i = first; i < last; i++) {
    const time = (best[i]! + 0.5) / FRAME_RATE;
    const hit = targets.find(({ start, end }) => time >= start && time < end);
    votes.set(hit, (votes.get(hit) ?? 0) + 1);
    total += cosine(i, best[i]!);
  }
  const count = last - first;
  const [to, most] = [...votes].reduce((a, b) => (b[1] > a[1] ? b : a));
  return { from: word, to, share: most / count, cosine: total / count };
}

function argMax(count: number, value: (i: number) => number): number {
  let best = 0;
  for (let i = 1; i < count; i++) if (value(i) > value(best)) best = i;
  return best;
}
