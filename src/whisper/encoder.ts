/** Whisper's audio encoder: log-mel to frames at 50 Hz. */
import { Graph, type Tensor } from '../graph/graph.ts';
import { add, conv1d, gather, gelu, transpose } from '../graph/ops.ts';
import type { WhisperDimensions } from './dimensions.ts';
import { attention, feedForward, keysAndValues, memoryOf, normalized, positionTable } from './layers.ts';
import { weight } from './variant.ts';

/**
 * @param mel [batch, mel bins, mel frames], an even number of mel frames
 * @param positions int64 [frames]: 0, 1, 2 … for half as many frames
 * @returns [batch, frames, width], after the final layer norm
 */
export function encoder(dimensions: WhisperDimensions, mel: Tensor, positions: Tensor): Tensor {
  return encoderLayers(dimensions, mel, positions).at(-1)!;
}

/**
 * What enters the first layer and what each layer makes of it, each [batch, frames, width]: one more than there are
 * layers. The last is after the final layer norm, as in `hidden_states` of Hugging Face.
 */
export function encoderLayers(dimensions: WhisperDimensions, mel: Tensor, positions: Tensor): Tensor[] {
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
  const heard = convolution(convolution(mel, 'conv1', melBins, 1), 'conv2', width, 2); // [batch, width, frames]
  const table = positionTable(graph, 'model.encoder.embed_positions', audioPositions, width);
  let x = add(transpose(heard, [0, 2, 1]), gather(table, positions));
  const outputs = [x];
  for (let layer = 0; layer < dimensions.encoderLayers; layer++) {
    const name = `model.encoder.layers.${layer}`;
    const before = normalized(x, `${name}.self_attn_layer_norm`);
    const own = memoryOf(keysAndValues(before, `${name}.self_attn`, encoderHeads));
    x = add(x, attention(before, `${name}.self_attn`, encoderHeads, own));
    x = add(x, feedForward(normalized(x, `${name}.final_layer_norm`), name, encoderFfn));
    outputs.push(x);
  }
  outputs[dimensions.encoderLayers] = normalized(x, 'model.encoder.layer_norm');
  return outputs;
}

/** Inputs `mel` [batch, mel bins, melFrames] and `positions` [frames]; output `frames` [batch, frames, width]. */
export function encoderGraph(dimensions: WhisperDimensions): Graph {
  const graph = new Graph();
  const mel = graph.input('mel', ['batch', dimensions.melBins, 'melFrames']);
  const positions = graph.input('positions', ['frames'], 'int64');
  graph.output('frames', encoder(dimensions, mel, positions));
  return graph;
}

const POSITIONS = 'model.encoder.embed_positions.weight';

/** Names of the encoder weights that can be trained, in the order in which the model uses them: positions are fixed. */
export function encoderWeights(dimensions: WhisperDimensions): string[] {
  return [...encoderGraph(dimensions).parameters.keys()].filter((name) => name !== POSITIONS);
}
