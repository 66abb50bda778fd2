/** Training of speaker embeddings (Emon et al. 2025): encoder and perceptron together, or the perceptron alone. */

import { SAMPLE_RATE } from '../../audio/sample-rate.ts';
import { float32, gradientOutput, type HostTensor } from '../../backend/runtime.ts';
import { UserError } from '../../errors.ts';
import { smallest } from '../../extremes.ts';
import { backward } from '../../graph/backward.ts';
import { Graph, type Tensor } from '../../graph/graph.ts';
import { split } from '../../graph/ops.ts';
import { placesBy } from '../../lists.ts';
import { below, sfc32, shuffle } from '../../random.ts';
import {
  embedClips,
  headShapes,
  initialSpeakerHead,
  meanFrameFeeds,
  meanFrames,
  speakerHead,
} from '../../speakers/embedder.ts';
import { storeTrained, type TrainingState } from '../../training/checkpoints.ts';
import { type Stop, trainingLoop } from '../../training/loop.ts';
import { encoderWeights } from '../../whisper/encoder.ts';
import { melClip } from '../../whisper/mel-batch.ts';
import type { WhisperModel } from '../../whisper/model.ts';
import { whiteNoise } from '../probes/synthetic-sounds.ts';
import { speakerLoss } from './losses.ts';
import { timeStretch } from './time-stretch.ts';

export interface SpeakerClip {
  /** 16 kHz mono */
  readonly samples: Float32Array;
  readonly speaker: string;
}

export interface SpeakerOptions {
  readonly epochs: number;
  /** Clips of a batch, four of each speaker in it. */
  readonly batchSize: number;
  readonly learningRate: number;
  /** Length that longer clips are cut to, at a random place. */
  readonly seconds: number;
  /** Freeze the encoder. */
  readonly frozen: boolean;
  readonly seed: number;
  /** Resume after this state's step. */
  readonly from?: TrainingState | undefined;
  /** Called after each step with its number, from 1; `state` copies the state to resume from. 'stop' ends the training there. */
  readonly onStep?: (step: number, loss: number, state: () => Promise<TrainingState>) => Stop | Promise<Stop>;
}

/** The paper's settings, except `seconds`. */
export const defaultSpeaker: SpeakerOptions = {
  epochs: 3,
  batchSize: 16,
  learningRate: 1e-5,
  seconds: 3,
  frozen: false,
  seed: 1,
};

const CLIPS_PER_SPEAKER = 4;
/** Standard deviation of the noise of the noisy view, and how much faster the stretched one is: the paper's. */
const NOISE = 0.005;
const STRETCH = 1.1;

/** The clip, the clip in noise, and the clip spoken faster. */
function views(samples: Float32Array, seed: number): readonly Float32Array[] {
  const noise = whiteNoise(samples.length, seed);
  return [samples, samples.map((value, i) => value + NOISE * noise[i]!), timeStretch(samples, STRETCH)];
}

/**
 * Indices of clips, batch by batch: some speakers, as many clips of each. No clip of a speaker comes again before all
 * others of it came.
 */
export function* speakerBatches(
  speakers: readonly string[],
  size: number,
  seed: number,
): Generator<number[], never> {
  const random = sfc32(seed);
  const bySpeaker = placesBy(speakers, (speaker) => speaker);
  const each = Math.min(
    CLIPS_PER_SPEAKER,
    smallest(bySpeaker.values(), (clips) => clips.length),
  );
  const count = Math.min(bySpeaker.size, Math.max(2, Math.floor(size / each)));
  const pools = new Map<string, number[]>();
  let waiting: string[] = [];
  while (true) {
    const chosen = new Set<string>();
    while (chosen.size < count) {
      if (waiting.length === 0)
        waiting = shuffle(
          [...bySpeaker.keys()].filter((name) => !chosen.has(name)),
          random,
        );
      chosen.add(waiting.pop()!);
    }
    yield [...chosen].flatMap((speaker) => {
      let pool = pools.get(speaker) ?? [];
      // A remainder that is too small is dropped: a clip must not be its own positive.
      if (pool.length < each) pool = shuffle([...bySpeaker.get(speaker)!], random);
      pools.set(speaker, pool.slice(each));
      return pool.slice(0, each);
    });
  }
}

/**
 * Number of steps in which each clip is seen about `epochs` times.
 * @throws UserError where there are not two speakers with two clips each
 */
export function speakerSteps(
  clips: readonly SpeakerClip[],
  { epochs, batchSize, seed }: Pick<SpeakerOptions, 'epochs' | 'batchSize' | 'seed'>,
): number {
  checkSpeakers(clips);
  const batch = speakerBatches(speakersOf(clips), batchSize, seed).next().value;
  return epochs * Math.ceil(clips.length / batch.length);
}

const speakersOf = (clips: readonly SpeakerClip[]): string[] => clips.map(({ speaker }) => speaker);

function checkSpeakers(clips: readonly SpeakerClip[]): void {
  const counts = new Map<string, number>();
  for (const { speaker } of clips) counts.set(speaker, (counts.get(speaker) ?? 0) + 1);
  if (counts.size < 2)
    throw new UserError(`found ${counts.size} speaker to learn from; expected at least two`);
  const single = [...counts].find(([, count]) => count < 2);
  if (single) throw new UserError(`speaker "${single[0]}": found 1 clip; expected at least two`);
}

/**
 * Trains the weights in the model's runtime: the perceptron's (`speaker.…`) and, unless frozen, the encoder's.
 * @returns the losses of the steps made
 */
export async function trainSpeaker(
  model: WhisperModel,
  clips: readonly SpeakerClip[],
  options: SpeakerOptions,
): Promise<number[]> {
  const steps = speakerSteps(clips, options);
  const { dimensions, runtime } = model;
  const { frozen, seed, batchSize, learningRate, from, onStep } = options;
  const batches = speakerBatches(speakersOf(clips), batchSize, seed);
  const chosen: number[][] = [batches.next().value];
  const batch = chosen[0]!.length;
  // Draws the earlier batches again: a resumed run sees the same batches as an uninterrupted one.
  while (chosen.length < steps) chosen.push(batches.next().value);
  await runtime.store(initialSpeakerHead(dimensions.width, seed));
  /** The views of a clip, or of a random cut of `seconds`. */
  const drawn = (samples: Float32Array, number: number): readonly Float32Array[] => {
    const maxSamples = Math.round(options.seconds * SAMPLE_RATE);
    const rest = Math.min(2 ** 20, samples.length - maxSamples);
    const start = rest > 0 ? below(rest, sfc32(seed + number)) : 0;
    return views(samples.slice(start, start + maxSamples), seed + number);
  };
  // Frozen: the views of each clip are encoded once.
  const means = frozen
    ? await embedClips(
        model,
        clips.flatMap(({ samples }, i) => drawn(samples, i)),
        false,
      )
    : undefined;
  const graph = new Graph();
  const pooledViews: Tensor = frozen
    ? graph.input('means', [3 * batch, dimensions.width])
    : meanFrames(graph, dimensions, 3 * batch);
  const [clean, noise, stretch] = split(speakerHead(pooledViews), 0, [batch, batch, batch]);
  const same = graph.input('same', [batch, batch]);
  const other = graph.input('other', [batch, batch]);
  const loss = speakerLoss({ clean: clean!, noise: noise!, stretch: stretch! }, same, other);
  graph.output('loss', loss);
  const names = [...headShapes(dimensions.width).keys(), ...(frozen ? [] : encoderWeights(dimensions))];
  const tuned = names.map((name) => graph.parameters.get(name)!);
  backward(loss, tuned).forEach((gradient, i) => graph.output(gradientOutput(names[i]!), gradient));
  const feedsOf = async (step: number): Promise<Record<string, HostTensor>> => {
    const members = chosen[step - 1]!;
    const pairs = pairMasks(members.map((i) => clips[i]!.speaker));
    if (means) {
      const all = new Float32Array(3 * batch * dimensions.width);
      members.forEach((clip, row) => {
        for (let view = 0; view < 3; view++)
          all.set(means[3 * clip + view]!, (view * batch + row) * dimensions.width);
      });
      return { ...pairs, means: float32(all, [3 * batch, dimensions.width]) };
    }
    const all = members.map((i, row) => drawn(clips[i]!.samples, step * batch + row));
    const mels = [0, 1, 2].flatMap((view) => all.map((of) => melClip(of[view]!, dimensions.melBins, 'fit')));
    return { ...pairs, ...meanFrameFeeds(mels) };
  };
  try {
    if (from) await storeTrained(runtime, from);
    const losses: number[] = [];
    await trainingLoop(runtime, {
      ...{ graph, trained: names, steps, from, weightDecay: 0 },
      learningRate: () => learningRate,
      batch: async (step) => ({ feeds: await feedsOf(step), weight: 1 }),
      onStep: ({ step, loss }, { state }) => {
        losses.push(loss);
        return onStep?.(step, loss, state);
      },
    });
    return losses;
  } finally {
    if (!frozen) await model.encoderChanged();
  }
}

/** Inputs `same` and `other` of the triplet loss, [batch, batch]. */
export function pairMasks(speakers: readonly string[]): Record<'same' | 'other', HostTensor> {
  const count = speakers.length;
  const same = new Float32Array(count * count);
  const other = new Float32Array(count * count);
  speakers.forEach((a, i) => {
    speakers.forEach((b, j) => {
      if (a !== b) other[i * count + j] = 1;
      else if (i !== j) same[i * count + j] = 1;
    });
  });
  return { same: float32(same, [count, count]), other: float32(other, [count, count]) };
}
