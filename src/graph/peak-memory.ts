/** Peak memory of a graph, computed from its nodes in onnxruntime's order. */
import { type DType, type Graph, type Node, type Sizes, sizeOf, type Tensor } from './graph.ts';
import { type Boundary, neededNodes } from './onnx.ts';

const BYTES: Record<DType, number> = {
  float16: 2,
  float32: 4,
  int64: 8,
  int32: 4,
  int8: 1,
  uint8: 1,
  bool: 1,
};

/** Operators whose result is their first input's memory under another shape. */
const ALIAS = new Set(['Reshape', 'Identity']);
/** Operators that may write their result over an input of the same size that is no longer used. */
const IN_PLACE = new Set(
  'Abs Add Cast Div Exp Erf Log Mul Neg Relu ScatterElements Sigmoid Softmax Sqrt Sub Tanh'.split(' '),
);

/**
 * Peak bytes of the intermediate results. Inputs, weights and outputs are not counted: the caller owns their memory.
 */
export function peakMemory(graph: Graph, sizes: Sizes, boundary: Boundary): number {
  const order = executionOrder(neededNodes(graph, boundary));
  const outside = new Set<Tensor>(boundary.outputs.values());
  // Aliases share memory: they are counted under the owning tensor.
  const owners = new Map<Tensor, Tensor>();
  const ownerOf = (tensor: Tensor): Tensor => owners.get(tensor) ?? tensor;
  for (const { op, inputs, outputs } of order)
    if (ALIAS.has(op)) owners.set(outputs[0]!, ownerOf(inputs[0]!));
  const uses = new Map<Tensor, number>();
  for (const { inputs } of order) {
    for (const input of inputs) if (input) uses.set(ownerOf(input), (uses.get(ownerOf(input)) ?? 0) + 1);
  }

  /** Live bytes, by owning tensor. */
  const alive = new Map<Tensor, number>();
  let now = 0;
  let most = 0;
  for (const { op, inputs, outputs } of order) {
    const owned = inputs.flatMap((input) => (input ? [ownerOf(input)] : []));
    const ending = owned.filter((input) => {
      const left = uses.get(input)! - 1;
      uses.set(input, left);
      return left === 0 && alive.has(input);
    });
    if (!ALIAS.has(op)) {
      for (const output of outputs) {
        if (outside.has(output) || (uses.get(output) ?? 0) === 0) continue;
        const bytes =
          BYTES[output.dtype] * output.shape.reduce<number>((n, dim) => n * sizeOf(dim, sizes), 1);
        const over = IN_PLACE.has(op) ? ending.findIndex((input) => alive.get(input) === bytes) : -1;
        if (over >= 0) alive.delete(ending.splice(over, 1)[0]!);
        else now += bytes;
        alive.set(output, bytes);
      }
      most = Math.max(most, now);
    }
    for (const input of ending) {
      now -= alive.get(input) ?? 0;
      alive.delete(input);
    }
  }
  return most;
}

/**
 * Nodes in onnxruntime's order: depth first from the last node without consumers back to the first, each after its
 * inputs, the last input first (GraphViewer, ReverseDFSFrom).
 */
function executionOrder(nodes: readonly Node[]): Node[] {
  const place = new Map(nodes.map((node, i) => [node, i]));
  const used = new Set(nodes.flatMap(({ inputs }) => inputs.map((input) => input?.producer)));
  const stack = nodes.filter((node) => !used.has(node)).map((node) => ({ node, ready: false }));
  const seen = new Set<Node>();
  const order: Node[] = [];
  for (let top = stack.pop(); top; top = stack.pop()) {
    const { node, ready } = top;
    if (ready) {
      order.push(node);
      continue;
    }
    if (seen.has(node)) continue;
    seen.add(node);
    stack.push({ node, ready: true });
    const producers = node.inputs.flatMap((input) => (input?.producer ? [input.producer] : []));
    const needed = [...new Set(producers)].filter((one) => place.has(one));
    needed.sort((a, b) => place.get(a)! - place.get(b)!);
    for (const one of needed) if (!seen.has(one)) stack.push({ node: one, ready: false });
  }
  return order;
}
