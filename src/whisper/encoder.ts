/** Whisper's audio encoder: log-mel to frames at 50 Hz. */

import type { WhisperDimensions } from '../checkpoint/dimensions.ts';
import { type Dim, Graph, sumOfSizes, type Tensor } from '../graph/graph.ts';
import { add, concat, conv1d, gather, gelu, transpose } from '../graph/ops.ts';
import { attentionTo, feedForward, normalized, positionTable } from './layers.ts';
import { type ModelVariant, setVariant, weight } from './variant.ts';

/** Silence after the clip, which the attention of each layer sees beside the clip's frames: see silence-tail.ts. */
export interface SilenceContext {
  /** [batch, silent, width], after the layer norm that stands before the attention. */
  readonly frames: (layer: number) => Tensor;
  /** Added to the attention scores, [1, 1, 1, frames + silent]. */
  readonly bias: Tensor;
}

/** Declares the inputs `silence.<layer>` [batch, silent, width] and `silenceBias` [1, 1, 1, frames + silent]. */
export function silenceContext(
  graph: Graph,
  { encoderLayers, width }: WhisperDimensions,
  frames: Dim,
): SilenceContext {
  const layers = Array.from({ length: encoderLayers }, (_, layer) =>
    graph.input(`silence.${layer}`, ['batch', 'silent', width]),
  );
  return {
    frames: (layer) => layers[layer]!,
    bias: graph.input('silenceBias', [1, 1, 1, sumOfSizes([frames, 'silent'])]),
  };
}

/**
 * @param mel [batch, mel bins, mel frames], an even number of mel frames
 * @param positions int64 [frames]: 0, 1, 2 … for half as many frames
 * @returns [batch, frames, width], after the final layer norm
 */
export function encoder(
  dimensions: WhisperDimensions,
  mel: Tensor,
  positions: Tensor,
  silence?: SilenceContext,
): Tensor {
  return encoderLayers(dimensions, mel, positions, { silence }).at(-1)!;
}

export interface EncoderOptions {
  readonly silence?: SilenceContext | undefined;
  /** Called with the clip's input of each layer's attention: [batch, frames, width], after the layer norm. */
  readonly onAttended?: (layer: number, frames: Tensor) => void;
}

/**
 * The input of the first layer and the output of each, [batch, frames, width] each: one more than there are layers. The last is after the final layer norm, as in `hidden_states` of Hugging Face.
 */
export function encoderLayers(
  dimensions: WhisperDimensions,
  mel: Tensor,
  positions: Tensor,
  options: EncoderOptions = {},
): Tensor[] {
  const states = encoderStates(dimensions, mel, positions, options);
  return [...states.slice(0, -1), normalized(states.at(-1)!, FINAL_NORM)];
}

const FINAL_NORM = 'model.encoder.layer_norm';

/** The same, all before the final layer norm. */
function encoderStates(
  dimensions: WhisperDimensions,
  mel: Tensor,
  positions: Tensor,
  { silence, onAttended }: EncoderOptions,
): Tensor[] {
  const { melBins, width, encoderHeads, encoderFfn, audioPositions } = dimensions;
  const graph = mel.graph;
  const convolution = (x: Tensor, name: string, channels: number, stride: number): Tensor =>
    gelu(
      conv1d(
        x,
        weight(graph, `model.encoder.${name}.weight`, [width, channels, 3]),
        weight(graph, `model.encoder.${name}.bias`, [width]),
        { stride, padding: 1, outputLength: stride === 1 ? mel.shape[2]! : positions.shape[0]! },
      ),
    );
  const embedded = convolution(convolution(mel, 'conv1', melBins, 1), 'conv2', width, 2); // [batch, width, frames]
  const table = positionTable(graph, 'model.encoder.embed_positions', audioPositions, width);
  let x = add(transpose(embedded, [0, 2, 1]), gather(table, positions));
  const outputs = [x];
  for (let layer = 0; layer < dimensions.encoderLayers; layer++) {
    graph.checkpoint(x);
    const name = `model.encoder.layers.${layer}`;
    const before = normalized(x, `${name}.self_attn_layer_norm`);
    onAttended?.(layer, before);
    const seen = silence ? concat([before, silence.frames(layer)], 1) : before;
    x = add(x, attentionTo(before, seen, `${name}.self_attn`, encoderHeads, silence?.bias));
    x = add(x, feedForward(normalized(x, `${name}.final_layer_norm`), name, encoderFfn));
    outputs.push(x);
  }
  graph.checkpoint(x);
  return outputs;
}

/**
 * Inputs `mel` [batch, mel bins, melFrames] and `positions` [frames]; outputs `frames` [batch, frames, width] and, for each
 * layer, `attended.<layer>` of the same shape. For fitted windows also the inputs of `silenceContext`.
 */
export function encoderGraph(
  dimensions: WhisperDimensions,
  fitted = false,
  variant: ModelVariant = {},
): Graph {
  const graph = new Graph();
  setVariant(graph, variant);
  const mel = graph.input('mel', ['batch', dimensions.melBins, 'melFrames']);
  const positions = graph.input('positions', ['frames'], 'int64');
  const layers = encoderLayers(dimensions, mel, positions, {
    silence: fitted ? silenceContext(graph, dimensions, 'frames') : undefined,
    onAttended: (layer, frames) => graph.output(`attended.${layer}`, frames),
  });
  graph.output('frames', layers.at(-1)!);
  return graph;
}

/**
 * The inputs of `encoderGraph` for fitted windows; outputs `layer.0` (the input of the first layer) to `layer.n`, all
 * before the final layer norm.
 */
export function encoderStatesGraph(dimensions: WhisperDimensions): Graph {
  const graph = new Graph();
  const mel = graph.input('mel', ['batch', dimensions.melBins, 'melFrames']);
  const positions = graph.input('positions', ['frames'], 'int64');
  const states = encoderStates(dimensions, mel, positions, {
    silence: silenceContext(graph, dimensions, 'frames'),
  });
  states.forEach((state, layer) => graph.output(`layer.${layer}`, state));
  return graph;
}

/** The encoder's final layer norm alone. Input `states` [frames, width]; output `frames` [frames, width]. */
export function finalNormGraph({ width }: WhisperDimensions): Graph {
  const graph = new Graph();
  graph.output('frames', normalized(graph.input('states', ['frames', width]), FINAL_NORM));
  return graph;
}

const POSITIONS = 'model.encoder.embed_positions.weight';

/** Names of the encoder weights that can be trained, in the order in which the model uses them: positions are fixed. */
export function encoderWeights(dimensions: WhisperDimensions): string[] {
  return [...encoderGraph(dimensions).parameters.keys()].filter((name) => name !== POSITIONS);
}
