/**
 * Typed computation graphs: operators with their gradients, ONNX out, and a thread that runs them.
 * @module graph
 */
export {
  type AdamWOptions,
  type AdamWState,
  type DeclaredTensor,
  DeviceTensor,
  float32,
  gradientOutput,
  type HostTensor,
  int64,
  Program,
  type ProgramOptions,
  type ProgramOutputs,
  type ProgramRunOptions,
  Runtime,
} from '../backend/runtime.ts';
export { backward } from '../graph/backward.ts';
export {
  type Attribute,
  type ConstantData,
  type Dim,
  type DType,
  formatShape,
  type GradientRule,
  Graph,
  GraphError,
  type InputGradient,
  type Node,
  type Shape,
  Tensor,
} from '../graph/graph.ts';
export { type OnnxModel, writeOnnx } from '../graph/onnx.ts';
export * from '../graph/ops.ts';
export type { Bits } from '../graph/stored-form.ts';
