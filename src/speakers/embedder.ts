/**
 * Speaker embeddings from Whisper's encoder (Whisper Speaker Identification, Emon et al. 2025, arXiv 2503.10446): the mean
 * of the clip's own frames, then a perceptron, width → 256 → 256.
 */

import { takeTurn } from '../abort.ts';
import { float32, type HostTensor, type Program } from '../backend/runtime.ts';
import type { Weight } from '../checkpoint/checkpoint.ts';
import type { WhisperDimensions } from '../checkpoint/dimensions.ts';
import { largest } from '../extremes.ts';
import { Graph, type Tensor } from '../graph/graph.ts';
import { linear, matmul, relu, reshape } from '../graph/ops.ts';
import { sfc32, uniformValues } from '../random.ts';
import { encoder } from '../whisper/encoder.ts';
import { type MelClip, melBatch, melClip } from '../whisper/mel-batch.ts';
import type { WhisperModel } from '../whisper/model.ts';
import { windowBatches } from '../whisper/window-batches.ts';

export const EMBEDDING_WIDTH = 256;

export function headShapes(width: number): Map<string, readonly number[]> {
  return new Map<string, readonly number[]>([
    ['speaker.fc1.weight', [EMBEDDING_WIDTH, width]],
    ['speaker.fc1.bias', [EMBEDDING_WIDTH]],
    ['speaker.fc2.weight', [EMBEDDING_WIDTH, EMBEDDING_WIDTH]],
    ['speaker.fc2.bias', [EMBEDDING_WIDTH]],
  ]);
}

/** Initial weights as those of PyTorch's Linear: uniform within ±1/√inputs. */
export function initialSpeakerHead(width: number, seed: number): Map<string, Weight> {
  const random = sfc32(seed);
  const weights = new Map<string, Weight>();
  for (const [name, shape] of headShapes(width)) {
    const inputs = name.startsWith('speaker.fc1') ? width : EMBEDDING_WIDTH;
    const count = shape.reduce((a, b) => a * b, 1);
    weights.set(name, { shape, data: uniformValues(count, 1 / Math.sqrt(inputs), random) });
  }
  return weights;
}

/** Means of frames [batch, width] to embeddings [batch, 256]. */
export function speakerHead(means: Tensor): Tensor {
  const width = means.shape[1] as number;
  const layer = (x: Tensor, name: string, inputs: number) =>
    linear(
      x,
      x.graph.parameter(`${name}.weight`, [EMBEDDING_WIDTH, inputs]),
      x.graph.parameter(`${name}.bias`, [EMBEDDING_WIDTH]),
    );
  return layer(relu(layer(means, 'speaker.fc1', width)), 'speaker.fc2', EMBEDDING_WIDTH);
}

/**
 * Mean frames [batch, width]. The encoder sees the window alone, without cached silence, here as in training: its output
 * for silence would change with its weights.
 * @param batch number of clips, or the name of that dimension
 */
export function meanFrames(graph: Graph, dimensions: WhisperDimensions, batch: number | 'batch'): Tensor {
  const mel = graph.input('mel', [batch, dimensions.melBins, 'melFrames']);
  const positions = graph.input('positions', ['frames'], 'int64');
  const weights = graph.input('weights', [batch, 1, 'frames']);
  return reshape(matmul(weights, encoder(dimensions, mel, positions)), [batch, dimensions.width]);
}

/** [clips, 1, window]: 1 / length for a clip's own frames, 0 after them. */
function meanWeights(lengths: readonly number[], window: number): HostTensor {
  const weights = new Float32Array(lengths.length * window);
  lengths.forEach((length, i) => {
    weights.fill(1 / length, i * window, i * window + length);
  });
  return float32(weights, [lengths.length, 1, window]);
}

/** Inputs of `meanFrames`, all in the longest one's window. */
export function meanFrameFeeds(clips: readonly MelClip[]): Record<string, HostTensor> {
  const frames = largest(clips, ({ window }) => window);
  const { mel, audioPositions: positions } = melBatch(clips, undefined);
  return {
    mel,
    positions,
    weights: meanWeights(
      clips.map(({ length }) => Math.max(1, length)),
      frames,
    ),
  };
}

/** Embeds clips of a loaded model with a program that is compiled once. */
export class ClipEmbedder {
  private constructor(
    private readonly model: WhisperModel,
    private readonly program: Program,
  ) {}

  /** @param withHead false: the encoder's mean frame as it is, the baseline */
  static async open(model: WhisperModel, withHead: boolean): Promise<ClipEmbedder> {
    const graph = new Graph();
    const means = meanFrames(graph, model.dimensions, 'batch');
    graph.output('embedding', withHead ? speakerHead(means) : means);
    return new ClipEmbedder(model, await model.runtime.load(graph, { builtIn: () => true, arena: false }));
  }

  /** Embeddings of clips (16 kHz mono) in their order, at most 30 s of each. */
  async embed(clips: readonly Float32Array[], onProgress?: (done: number) => void): Promise<Float32Array[]> {
    const { dimensions, runtime } = this.model;
    const mels: MelClip[] = [];
    for (const samples of clips) {
      mels.push(melClip(samples, dimensions.melBins, 'fit'));
      await takeTurn();
      // It throws where the work is aborted.
      onProgress?.(0);
    }
    const results = new Array<Float32Array>(clips.length);
    let done = 0;
    for (const { members } of windowBatches(mels.map(({ window }) => window))) {
      const feeds = meanFrameFeeds(members.map((i) => mels[i]!));
      const { fetched } = await runtime.run(this.program, feeds, { fetch: ['embedding'] });
      const { data, shape } = fetched.embedding!;
      members.forEach((place, i) => {
        results[place] = (data as Float32Array).slice(i * shape[1]!, (i + 1) * shape[1]!);
      });
      onProgress?.((done += members.length));
    }
    return results;
  }

  close(): Promise<void> {
    return this.model.runtime.unload(this.program);
  }
}

/** As `ClipEmbedder`, for one list of clips. */
export async function embedClips(
  model: WhisperModel,
  clips: readonly Float32Array[],
  withHead: boolean,
  onProgress?: (done: number) => void,
): Promise<Float32Array[]> {
  const embedder = await ClipEmbedder.open(model, withHead);
  const results = await embedder.embed(clips, onProgress);
  await embedder.close();
  return results;
}
