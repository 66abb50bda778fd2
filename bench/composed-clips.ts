/**
 * Many clips out of few recordings: each is made of a half of one sentence and a half of another, as the encoder encodes
 * them, so that every target has hundreds of near misses that share a half with it.
 */
import { readAudio } from '../src/audio/audio-file.ts';
import { float32, type Runtime } from '../src/backend/runtime.ts';
import type { Clip } from '../src/data/clip.ts';
import { Graph } from '../src/graph/graph.ts';
import { linear, reshape } from '../src/graph/ops.ts';
import { float16ToFloat32, float32ToFloat16 } from '../src/half-precision.ts';
import { unit } from '../src/retrieval/block-comparison.ts';
import { harmonicMean } from '../src/retrieval/seq-sim.ts';
import { type EncodedClip, frameValues } from '../src/whisper/encoded-clip.ts';
import { WhisperModel } from '../src/whisper/model.ts';
import { sentences } from './speech.ts';

/** Two halves by their places: 2 · sentence, and 1 more for its second half. */
export type Composition = readonly [number, number];

export interface Halves {
  readonly width: number;
  /** Frames of the halves, [frames, width] each, in the order of the sentences. */
  readonly source: readonly Float32Array[];
  readonly target: readonly Float32Array[];
}

/** Halves of the sentences that Catalan and English recordings of samples/ share. */
export async function encodedHalves(directory: string): Promise<Halves> {
  const model = await WhisperModel.load(directory);
  const catalan = await encoded(model, await sentences('ca'));
  const english = await encoded(model, await sentences('en'));
  await model.close();
  const keys = [...catalan.keys()].filter((key) => english.has(key));
  const halves = (clips: ReadonlyMap<string, EncodedClip>) =>
    keys.flatMap((key) => {
      const clip = clips.get(key)!;
      const [middle, end] = [Math.floor(clip.length / 2), clip.length].map((frame) => frame * clip.width);
      // As they are stored.
      const values = float16ToFloat32(float32ToFloat16(frameValues(clip)));
      return [values.slice(0, middle), values.slice(middle, end)];
    });
  return { width: catalan.get(keys[0]!)!.width, source: halves(catalan), target: halves(english) };
}

async function encoded(model: WhisperModel, clips: readonly Clip[]): Promise<Map<string, EncodedClip>> {
  const frames = new Map<string, EncodedClip>();
  for (const { key, audio } of clips) {
    const [one] = await model.encode([await readAudio(audio)], 'fit');
    frames.set(key, one!);
  }
  return frames;
}

/**
 * Pairs of halves of two sentences, evenly from all, so that no sentence has more than others. Two clips in the other order of
 * each other have the same SeqSim, which is blind to order.
 * @throws RangeError where there are not so many
 */
export function compositions({ target }: Halves, count: number): Composition[] {
  const sentenceOf = (half: number) => Math.floor(half / 2);
  const all = target.flatMap((_, a) =>
    target.flatMap((_, b): Composition[] => (sentenceOf(a) === sentenceOf(b) ? [] : [[a, b]])),
  );
  if (all.length < count) {
    throw new RangeError(`${target.length / 2} sentences make ${all.length} clips; expected ${count}`);
  }
  return Array.from({ length: count }, (_, i) => all[Math.floor((i * all.length) / count)]!);
}

export function composed([a, b]: Composition, halves: readonly Float32Array[], width: number): EncodedClip {
  const frames = new Float32Array(halves[a]!.length + halves[b]!.length);
  frames.set(halves[a]!);
  frames.set(halves[b]!, halves[a]!.length);
  const length = frames.length / width;
  return { frames, length, width, window: length };
}

/**
 * SeqSim of some composed sources with all composed targets, frame by frame: the largest cosine of a frame with a clip is that with
 * one of its halves, so the cosines of all halves are those of all clips.
 * @returns of each source, with all targets: SeqSim, and MaxSim (Khattab & Zaharia 2020, arXiv 2004.12832) over the source's frames, their mean
 */
export async function* exactByHalves(
  runtime: Runtime,
  { width, source, target }: Halves,
  sources: readonly Composition[],
  targets: readonly Composition[],
): AsyncGenerator<{ seqSim: Float32Array; maxSim: Float32Array }, void> {
  const graph = new Graph();
  const rows = (name: string) =>
    reshape(unit(graph.input(name, [1, `${name}s`, width])), [`${name}s`, width]);
  graph.output('cosines', linear(rows('source'), rows('target')));
  const program = await runtime.load(graph, { builtIn: () => true });
  const firsts = [0];
  for (const half of target) firsts.push(firsts.at(-1)! + half.length / width);
  const columns = firsts.at(-1)!;
  const frames = new Float32Array(columns * width);
  target.forEach((half, g) => {
    frames.set(half, firsts[g]! * width);
  });
  /** Of each half of a source: its frames' largest cosines with each half of a target [halves, frames], and the targets' with it [frames]. */
  const best: { ofSource: Float32Array; ofTarget: Float32Array; length: number }[] = [];
  for (const half of source) {
    const length = half.length / width;
    const { fetched } = await runtime.run(
      program,
      { source: float32(half, [1, length, width]), target: float32(frames, [1, columns, width]) },
      { fetch: ['cosines'] },
    );
    const cosines = fetched.cosines!.data as Float32Array;
    const ofSource = new Float32Array(target.length * length).fill(-1);
    const ofTarget = new Float32Array(columns).fill(-1);
    for (let t = 0; t < length; t++) {
      for (let g = 0; g < target.length; g++) {
        for (let u = firsts[g]!; u < firsts[g + 1]!; u++) {
          const cosine = cosines[t * columns + u]!;
          if (cosine > ofSource[g * length + t]!) ofSource[g * length + t] = cosine;
          if (cosine > ofTarget[u]!) ofTarget[u] = cosine;
        }
      }
    }
    best.push({ ofSource, ofTarget, length });
  }
  await runtime.unload(program);
  const frameCount = (half: number) => firsts[half + 1]! - firsts[half]!;
  for (const pair of sources) {
    const own = pair.map((half) => best[half]!);
    const length = own.reduce((sum, one) => sum + one.length, 0);
    const ofHalf = target.map((_, g) => {
      let sum = 0;
      for (let u = firsts[g]!; u < firsts[g + 1]!; u++) {
        sum += Math.max(own[0]!.ofTarget[u]!, own[1]!.ofTarget[u]!);
      }
      return sum;
    });
    const maxSim = Float32Array.from(targets, ([g, h]) => {
      let sum = 0;
      for (const { ofSource, length: n } of own) {
        for (let t = 0; t < n; t++) sum += Math.max(ofSource[g * n + t]!, ofSource[h * n + t]!);
      }
      return sum / length;
    });
    const seqSim = Float32Array.from(targets, ([g, h], i) =>
      harmonicMean(maxSim[i]!, (ofHalf[g]! + ofHalf[h]!) / (frameCount(g) + frameCount(h))),
    );
    yield { seqSim, maxSim };
  }
}
