/**
 * The embeddings of voices by which speakers are told apart: the mean output of the first encoder layer of the embedded
 * Whisper over a window, from which most of what differs between windows of one voice (the words, not who says them) is
 * taken out. That part was learnt from a dozen voices (scripts/speakers/fit.mjs) as the directions of the greatest variance
 * within a voice: within-class covariance normalisation (Hatch et al. 2006) of a low rank. Deeper layers know more of the
 * words and less of the voice; docs/lab/speakers.md compares.
 */
import { fileURLToPath } from 'node:url';
import { logMel } from '../audio/log-mel.ts';
import { float32, int64, type Program } from '../backend/runtime.ts';
import { embeddedModel } from '../checkpoint/embedded.ts';
import { readFloat32Weights } from '../checkpoint/float32-weights.ts';
import { Graph } from '../graph/graph.ts';
import { matmul, reshape } from '../graph/ops.ts';
import { dot, unit } from '../vectors.ts';
import { SAMPLES_PER_FRAME } from '../whisper/encoded-clip.ts';
import { encoderLayers } from '../whisper/encoder.ts';
import { WhisperModel } from '../whisper/model.ts';
import { windowBatches } from '../whisper/window-batches.ts';
import { ClipEmbedder } from './embedder.ts';
import { loadSpeaker } from './speaker-file.ts';
import type { VoiceEmbedder } from './turns.ts';

export interface OpenVoiceEmbedder extends VoiceEmbedder {
  readonly close: () => Promise<void>;
}

const LAYER = 1;
/** Equal error rate of pairs of windows of people that the directions were not learnt from: docs/lab/speakers.md. */
const THRESHOLD = 0.3;
/** The objective of `speaker train` pushes voices apart from a cosine of about 1 to one below 0.5. */
const TRAINED_THRESHOLD = 0.5;

const FILE = fileURLToPath(new URL('../../models/voices/within-voice.safetensors', import.meta.url));
/** Directions that are taken out, and the width of Whisper base. */
const DIRECTIONS = 64;
const WIDTH = 512;

/**
 * @param model that transcribes
 * @param directory of a speaker model that was trained with it. Default: embeddings of its own
 * @throws UserError where the directory holds no speaker model of this model's encoder
 */
export async function openVoiceEmbedder(model: WhisperModel, directory?: string): Promise<OpenVoiceEmbedder> {
  const { threads } = model.runtime;
  if (directory === undefined) {
    const own =
      model.directory === embeddedModel ? undefined : await WhisperModel.load(embeddedModel, { threads });
    const means = await MeanOfLayer.open(own ?? model);
    const adapted = await withoutWords();
    return {
      threshold: THRESHOLD,
      embed: async (windows) => (await means.of(windows)).map(adapted),
      close: async () => {
        await means.close();
        await own?.close();
      },
    };
  }
  // Of its own: a tuned encoder must not be the one that transcribes.
  const tuned = await WhisperModel.load(model.directory, { threads });
  try {
    await loadSpeaker(directory, tuned);
    const embedder = await ClipEmbedder.open(tuned, true);
    return {
      threshold: TRAINED_THRESHOLD,
      embed: async (windows) => (await embedder.embed(windows)).map(unit),
      close: () => tuned.close(),
    };
  } catch (error) {
    await tuned.close();
    throw error;
  }
}

/** Mean outputs of an early encoder layer, which sees the window alone. */
export class MeanOfLayer {
  private constructor(
    private readonly model: WhisperModel,
    private readonly program: Program,
  ) {}

  static async open(model: WhisperModel, layer = LAYER): Promise<MeanOfLayer> {
    const { dimensions } = model;
    const graph = new Graph();
    const mel = graph.input('mel', ['batch', dimensions.melBins, 'melFrames']);
    const positions = graph.input('positions', ['frames'], 'int64');
    const weights = graph.input('weights', ['batch', 1, 'frames']);
    const frames = encoderLayers(dimensions, mel, positions)[layer]!;
    graph.output('mean', reshape(matmul(weights, frames), ['batch', dimensions.width]));
    return new MeanOfLayer(model, await model.runtime.load(graph, { builtIn: () => true, arena: false }));
  }

  /** @param windows 16 kHz samples; the means are [width] each */
  async of(windows: readonly Float32Array[]): Promise<Float32Array[]> {
    const { dimensions, runtime } = this.model;
    const { melBins, width } = dimensions;
    const lengths = windows.map(({ length }) => Math.max(1, Math.ceil(length / SAMPLES_PER_FRAME)));
    const results = new Array<Float32Array>(windows.length);
    for (const { window, members } of windowBatches(lengths)) {
      const size = melBins * 2 * window;
      const mel = new Float32Array(members.length * size);
      for (const [row, i] of members.entries()) mel.set(logMel(windows[i]!, melBins, 2 * window), row * size);
      const feeds = {
        mel: float32(mel, [members.length, melBins, 2 * window]),
        positions: int64(Array.from({ length: window }, (_, i) => i)),
        weights: float32(new Float32Array(members.length * window).fill(1 / window), [
          members.length,
          1,
          window,
        ]),
      };
      const { fetched } = await runtime.run(this.program, feeds, { fetch: ['mean'] });
      const data = fetched.mean!.data as Float32Array;
      for (const [row, i] of members.entries()) results[i] = data.slice(row * width, (row + 1) * width);
    }
    return results;
  }

  close(): Promise<void> {
    return this.model.runtime.unload(this.program);
  }
}

/** What takes a window's words out of its mean: the mean of all voices, and shares of directions. */
async function withoutWords(): Promise<(mean: Float32Array) => Float32Array> {
  const weights = await readFloat32Weights(
    FILE,
    new Map([
      ['mean', [WIDTH]],
      ['directions', [DIRECTIONS, WIDTH]],
      ['shares', [DIRECTIONS]],
    ]),
  );
  const [mean, directions, shares] = ['mean', 'directions', 'shares'].map(
    (name) => weights.get(name)!.data,
  ) as [Float32Array, Float32Array, Float32Array];
  return (vector) => {
    const centred = vector.map((value, i) => value - mean[i]!);
    const left = centred.slice();
    for (let k = 0; k < DIRECTIONS; k++) {
      const direction = directions.subarray(k * WIDTH, (k + 1) * WIDTH);
      const along = shares[k]! * dot(centred, direction);
      for (let i = 0; i < WIDTH; i++) left[i]! -= along * direction[i]!;
    }
    return unit(left);
  };
}
