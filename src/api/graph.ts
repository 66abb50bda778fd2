/**
 * Typed computation graphs: operators with their gradients, ONNX out, and a thread that runs them.
 * @module graph
 */
export {
  type AdamWOptions,
  type AdamWState,
  type DeclaredTensor,
  type Device,
  type DeviceBatch,
  type DeviceSteps,
  type DeviceStepsOptions,
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
  type RuntimeOptions,
} from '../backend/runtime.ts';
export type { AdamWConstants, BatchSchedule } from '../graph/adamw.ts';
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
export type { InputRounding } from '../graph/low-bits.ts';
export { type Boundary, type OnnxModel, writeOnnx } from '../graph/onnx.ts';
export * from '../graph/ops.ts';
export type { ProductForm } from '../graph/product-form.ts';
export type { Bits } from '../graph/stored-form.ts';
