/** What each encoder layer makes of a clip: the features that probes are trained on. */
import { Graph, type Tensor } from '../graph/graph.ts';
import { concat, matmul, reshape } from '../graph/ops.ts';
import { float32, type Program } from '../graph/runtime.ts';
import type { WhisperDimensions } from '../whisper/dimensions.ts';
import { encoderLayers, heardSilence } from '../whisper/encoder.ts';
import { float32ToFloat16 } from '../whisper/half.ts';
import { type MelClip, melBatch, melClip, silenceFeeds } from '../whisper/mel-batch.ts';
import type { WhisperModel, Window } from '../whisper/model.ts';
import { windowBatches } from '../whisper/window-batches.ts';

/** `mean`: one vector a layer, the mean of the clip's own frames. `frames`: all of the clip's own frames. */
export type Pooling = 'mean' | 'frames';

export interface LayerFeatures {
  /** One more than the encoder has: the first is what enters it. */
  readonly layers: number;
  /** 1 where frames were averaged. */
  readonly frames: number;
  readonly width: number;
  /** float16 bits, [layers, frames, width] */
  readonly values: Uint16Array;
}

/**
 * Weighted sum of frames: with weights of 1/length on a clip's own frames and 0 on its padding, their mean.
 * @param frames [batch, frames, width]
 * @param weights [batch, 1, frames]
 * @returns [batch, 1, width]
 */
export const pooled = (frames: Tensor, weights: Tensor): Tensor => matmul(weights, frames);

/** Weights for `pooled`, [clips, 1, window]: the means of the clips' own frames. */
export function meanWeights(lengths: readonly number[], window: number) {
  const weights = new Float32Array(lengths.length * window);
  lengths.forEach((length, i) => {
    weights.fill(1 / length, i * window, i * window + length);
  });
  return float32(weights, [lengths.length, 1, window]);
}

function layersGraph(dimensions: WhisperDimensions, pooling: Pooling, window: Window): Graph {
  const graph = new Graph();
  const mel = graph.input('mel', ['batch', dimensions.melBins, 'melFrames']);
  const positions = graph.input('positions', ['frames'], 'int64');
  const silence = window === 'fit' ? heardSilence(graph, dimensions, 'frames') : undefined;
  const layers = encoderLayers(dimensions, mel, positions, { silence });
  if (pooling === 'mean') {
    const weights = graph.input('weights', ['batch', 1, 'frames']);
    const means = layers.map((layer) => pooled(layer, weights));
    graph.output('features', concat(means, 1)); // [batch, layers, width]
  } else {
    const apart = layers.map((layer) => reshape(layer, ['batch', 1, 'frames', dimensions.width]));
    graph.output('features', concat(apart, 1)); // [batch, layers, frames, width]
  }
  return graph;
}

/** The encoder compiled so that it shows all its layers. */
export class LayerExtractor {
  private constructor(
    readonly model: WhisperModel,
    readonly pooling: Pooling,
    readonly window: Window,
    private readonly program: Program,
  ) {}

  static async create(model: WhisperModel, pooling: Pooling, window: Window): Promise<LayerExtractor> {
    const graph = layersGraph(model.dimensions, pooling, window);
    const program = await model.runtime.load(graph, { builtIn: () => true, arena: false });
    return new LayerExtractor(model, pooling, window, program);
  }

  close(): Promise<void> {
    return this.model.runtime.unload(this.program);
  }

  /**
   * Features of clips (16 kHz mono) in the order given. Clips of equal windows share a run.
   * @param onProgress called with the number of clips done
   */
  async extract(
    clips: readonly Float32Array[],
    onProgress?: (done: number) => void,
  ): Promise<LayerFeatures[]> {
    const { melBins } = this.model.dimensions;
    const heard = clips.map((samples) => melClip(samples, melBins, this.window));
    const results = new Array<LayerFeatures>(clips.length);
    let done = 0;
    for (const { window, members } of windowBatches(heard.map((clip) => clip.window))) {
      const found = await this.run(
        members.map((i) => heard[i]!),
        window,
      );
      members.forEach((place, i) => {
        results[place] = found[i]!;
      });
      onProgress?.((done += members.length));
    }
    return results;
  }

  private async run(clips: readonly MelClip[], window: number): Promise<LayerFeatures[]> {
    const { width, encoderLayers } = this.model.dimensions;
    const layers = encoderLayers + 1;
    const { mel, audioPositions: positions } = melBatch(clips, undefined);
    // A clip without samples has a frame of silence.
    const lengths = clips.map(({ length }) => Math.max(1, length));
    const silence =
      this.window === 'fit' ? silenceFeeds(await this.model.silenceTails(), clips.length, window) : {};
    const { fetched } = await this.model.runtime.run(
      this.program,
      {
        mel,
        positions,
        weights: meanWeights(lengths, window),
        ...silence,
      },
      { fetch: ['features'] },
    );
    const output = fetched.features!.data as Float32Array;
    return clips.map((_, i) => {
      const all = output.subarray(
        (i * output.length) / clips.length,
        ((i + 1) * output.length) / clips.length,
      );
      if (this.pooling === 'mean') return { layers, frames: 1, width, values: float32ToFloat16(all) };
      const frames = lengths[i]!;
      const own = new Float32Array(layers * frames * width);
      for (let layer = 0; layer < layers; layer++) {
        const from = layer * window * width;
        own.set(all.subarray(from, from + frames * width), layer * frames * width);
      }
      return { layers, frames, width, values: float32ToFloat16(own) };
    });
  }
}
