/** Writes a graph as an ONNX model (protobuf), without nodes that no output depends on. */
import { create, toBinary } from '@bufbuild/protobuf';
import {
  AttributeProto_AttributeType,
  AttributeProtoSchema,
  type GraphProto,
  GraphProtoSchema,
  ModelProtoSchema,
  type NodeProto,
  NodeProtoSchema,
  OperatorSetIdProtoSchema,
  StringStringEntryProtoSchema,
  TensorProto_DataLocation,
  TensorProto_DataType,
  TensorProtoSchema,
  TensorShapeProto_DimensionSchema,
  TensorShapeProtoSchema,
  TypeProto_SequenceSchema,
  TypeProto_TensorSchema,
  TypeProtoSchema,
  ValueInfoProtoSchema,
} from 'onnx-buf';
import {
  type Attribute,
  type ConstantData,
  type DType,
  type Graph,
  GraphError,
  type Node,
  type Tensor,
} from './graph.ts';

const OPSET = 20;
/** Operators that onnxruntime has beside the standard; their names begin with it. */
const CONTRIBUTED = 'com.microsoft';
const IR_VERSION = 9;

const dataType: Record<DType, TensorProto_DataType> = {
  float32: TensorProto_DataType.FLOAT,
  float16: TensorProto_DataType.FLOAT16,
  int64: TensorProto_DataType.INT64,
  int32: TensorProto_DataType.INT32,
  int8: TensorProto_DataType.INT8,
  uint8: TensorProto_DataType.UINT8,
  bool: TensorProto_DataType.BOOL,
};

const bytesPerValue: Record<DType, number> = {
  ...{ float32: 4, float16: 2, int64: 8, int32: 4 },
  ...{ int8: 1, uint8: 1, bool: 1 },
};

export interface OnnxModel {
  readonly bytes: Uint8Array;
  /** Inputs that the outputs depend on. */
  readonly inputs: readonly string[];
  /** Weights to be fed at every run. */
  readonly fed: readonly string[];
  /** Built-in weights, whose values the session takes as external data. */
  readonly builtIn: readonly string[];
  readonly outputs: readonly string[];
}

/**
 * @param isBuiltIn which weights are built in (packed once for fast products); the others are fed at every run
 * @param values of all weights, which then stand in the model itself: a file that is complete. Default: external data
 * @param boundary in place of the graph's own
 */
export function writeOnnx(
  graph: Graph,
  isBuiltIn: (name: string) => boolean,
  values?: ReadonlyMap<string, Float32Array>,
  { outputs, given, sequence }: Boundary = boundaryOf(graph),
): OnnxModel {
  const nodes = neededNodes(graph, { outputs, given });
  const used = new Set<Tensor>(outputs.values());
  for (const node of nodes) for (const input of readBy(node)) used.add(input);

  const inputs = [...graph.inputs.values()].filter((tensor) => used.has(tensor));
  const blocks = [...given].filter((tensor) => used.has(tensor));
  const weights = [...graph.parameters.values()].filter((tensor) => used.has(tensor));
  const builtIn = weights.filter((tensor) => isBuiltIn(tensor.name));
  const fed = weights.filter((tensor) => !isBuiltIn(tensor.name));
  const constants = [...graph.constants.values()].filter(({ tensor }) => used.has(tensor));

  const model = create(ModelProtoSchema, {
    irVersion: BigInt(IR_VERSION),
    producerName: 'whisper-transfer',
    opsetImport: [
      create(OperatorSetIdProtoSchema, { domain: '', version: BigInt(OPSET) }),
      ...(nodes.some(({ op }) => op.startsWith(CONTRIBUTED))
        ? [create(OperatorSetIdProtoSchema, { domain: CONTRIBUTED, version: 1n })]
        : []),
    ],
    graph: create(GraphProtoSchema, {
      name: 'graph',
      node: [...nodeProtos(nodes, outputs), ...(sequence ? [emptySequence(sequence)] : [])],
      input: [...inputs, ...blocks, ...fed].map((tensor) => valueInfo(tensor.name, tensor)),
      output: [
        ...(sequence ? [sequenceInfo(sequence)] : []),
        ...[...outputs].map(([name, tensor]) => valueInfo(name, tensor)),
      ],
      initializer: [
        ...constants.map(({ tensor, data }) => constantProto(tensor, data)),
        ...builtIn.map((tensor) =>
          values ? constantProto(tensor, values.get(tensor.name)!) : externalProto(tensor),
        ),
      ],
    }),
  });
  return {
    bytes: toBinary(ModelProtoSchema, model),
    inputs: inputs.map((tensor) => tensor.name),
    fed: fed.map((tensor) => tensor.name),
    builtIn: builtIn.map((tensor) => tensor.name),
    outputs: [...outputs.keys()],
  };
}

/** Where a session's graph begins and ends. */
export interface Boundary {
  readonly outputs: ReadonlyMap<string, Tensor>;
  /** Tensors that are given like inputs though nodes of the graph compute them. */
  readonly given: ReadonlySet<Tensor>;
  /** Name of one more output, the first: a sequence of tensors, without any. */
  readonly sequence?: string | undefined;
}

const boundaryOf = ({ outputs }: Graph): Boundary => ({ outputs, given: new Set() });

/** What a node reads: its inputs, and what its body captures. */
function readBy({ inputs, attributes }: Node): Tensor[] {
  const captured = Object.values(attributes).flatMap((value) => [...(bodyOf(value)?.captured.keys() ?? [])]);
  return [...inputs.filter((input) => input !== undefined), ...captured];
}

const bodyOf = (value: Attribute): Graph | undefined =>
  typeof value === 'object' && 'body' in value ? value.body : undefined;

function nodeProtos(nodes: readonly Node[], outputs: Boundary['outputs']): NodeProto[] {
  // A node's result takes the output's name at once; an Identity would copy it. Only what is not a node's result, or
  // is two outputs, needs one.
  const names = new Map<Tensor, string>();
  const copies: { readonly from: Tensor; readonly to: string }[] = [];
  for (const [name, tensor] of outputs) {
    if (tensor.producer && !names.has(tensor)) names.set(tensor, name);
    else copies.push({ from: tensor, to: name });
  }
  const nameOf = (tensor: Tensor | undefined): string => (tensor ? (names.get(tensor) ?? tensor.name) : '');
  const identities = copies.map(({ from, to }) =>
    create(NodeProtoSchema, {
      opType: 'Identity',
      input: [nameOf(from)],
      output: [to],
      name: `output_${to}`,
    }),
  );
  return [...nodes.map((node) => nodeProto(node, nameOf)), ...identities];
}

/** The body of a node: all its inputs and outputs, in their order. Weights it captures from the graph around it. */
function bodyProto(body: Graph): GraphProto {
  const nodes = neededNodes(body);
  const used = new Set(nodes.flatMap(readBy));
  return create(GraphProtoSchema, {
    name: 'body',
    node: nodeProtos(nodes, body.outputs),
    input: [...body.inputs.values()].map((tensor) => valueInfo(tensor.name, tensor)),
    output: [...body.outputs].map(([name, tensor]) => valueInfo(name, tensor)),
    initializer: [...body.constants.values()]
      .filter(({ tensor }) => used.has(tensor))
      .map(({ tensor, data }) => constantProto(tensor, data)),
  });
}

/** The nodes that the outputs need, in the order in which they are written. */
export function neededNodes(graph: Graph, { outputs, given }: Boundary = boundaryOf(graph)): Node[] {
  const needed = new Set<Node>();
  const producer = (tensor: Tensor | undefined): Node | undefined =>
    tensor && !given.has(tensor) ? tensor.producer : undefined;
  const pending = [...outputs.values()].map(producer);
  for (let node = pending.pop(); pending.length > 0 || node; node = pending.pop()) {
    if (!node || needed.has(node)) continue;
    needed.add(node);
    for (const input of node.inputs) pending.push(producer(input));
  }
  return inOrderOfUse(graph.nodes.filter((node) => needed.has(node)));
}

/**
 * Orders nodes for onnxruntime, which starts from the last node whose results no other node takes, with its inputs; then
 * the one before it, and so on. In a training step these are the weights' gradients. Were the first layer's last, it would
 * be computed first, and all activations of the other gradients kept until then. So they stand at the end, in reverse.
 */
function inOrderOfUse(nodes: readonly Node[]): Node[] {
  const used = new Set(nodes.flatMap(({ inputs }) => inputs.map((input) => input?.producer)));
  const ends = nodes.filter((node) => !used.has(node));
  return [...nodes.filter((node) => used.has(node)), ...ends.reverse()];
}

function nodeProto(node: Node, nameOf: (tensor: Tensor | undefined) => string) {
  const isContributed = node.op.startsWith(CONTRIBUTED);
  return create(NodeProtoSchema, {
    opType: isContributed ? node.op.slice(CONTRIBUTED.length + 1) : node.op,
    domain: isContributed ? CONTRIBUTED : '',
    name: node.outputs[0]!.name,
    input: node.inputs.map(nameOf),
    output: node.outputs.map(nameOf),
    attribute: Object.entries(node.attributes).map(([name, value]) => attributeProto(name, value)),
  });
}

function attributeProto(name: string, value: Attribute) {
  if (typeof value === 'string') {
    return create(AttributeProtoSchema, {
      name,
      type: AttributeProto_AttributeType.STRING,
      s: new TextEncoder().encode(value),
    });
  }
  if (typeof value === 'number')
    throw new GraphError(`internal: attribute ${name} must say whether it is int or float`);
  if ('body' in value)
    return create(AttributeProtoSchema, {
      name,
      type: AttributeProto_AttributeType.GRAPH,
      g: bodyProto(value.body),
    });
  if ('int' in value)
    return create(AttributeProtoSchema, {
      name,
      type: AttributeProto_AttributeType.INT,
      i: BigInt(value.int),
    });
  if ('float' in value)
    return create(AttributeProtoSchema, { name, type: AttributeProto_AttributeType.FLOAT, f: value.float });
  return create(AttributeProtoSchema, {
    name,
    type: AttributeProto_AttributeType.INTS,
    ints: value.map(BigInt),
  });
}

const emptySequence = (name: string): NodeProto =>
  create(NodeProtoSchema, { opType: 'SequenceEmpty', name, output: [name] });

function sequenceInfo(name: string) {
  const float = create(TypeProto_TensorSchema, { elemType: TensorProto_DataType.FLOAT });
  const elemType = create(TypeProtoSchema, { value: { case: 'tensorType', value: float } });
  const value = create(TypeProto_SequenceSchema, { elemType });
  return create(ValueInfoProtoSchema, {
    name,
    type: create(TypeProtoSchema, { value: { case: 'sequenceType', value } }),
  });
}

function valueInfo(name: string, tensor: Tensor) {
  return create(ValueInfoProtoSchema, {
    name,
    type: create(TypeProtoSchema, {
      value: {
        case: 'tensorType',
        value: create(TypeProto_TensorSchema, {
          elemType: dataType[tensor.dtype],
          shape: create(TensorShapeProtoSchema, {
            dim: tensor.shape.map((dim) =>
              create(TensorShapeProto_DimensionSchema, {
                value:
                  typeof dim === 'number'
                    ? { case: 'dimValue', value: BigInt(dim) }
                    : { case: 'dimParam', value: dim },
              }),
            ),
          }),
        }),
      },
    }),
  });
}

function constantProto(tensor: Tensor, data: ConstantData) {
  return create(TensorProtoSchema, {
    name: tensor.name,
    dataType: dataType[tensor.dtype],
    dims: tensor.shape.map(BigInt),
    rawData: new Uint8Array(data.buffer, data.byteOffset, data.byteLength).slice(),
  });
}

/** External data: the value is in a "file" with the parameter's name. */
function externalProto(tensor: Tensor) {
  const values = tensor.shape.reduce<number>((total, dim) => total * (dim as number), 1);
  const bytes = bytesPerValue[tensor.dtype] * values;
  const entries = { location: tensor.name, offset: '0', length: String(bytes) };
  return create(TensorProtoSchema, {
    name: tensor.name,
    dataType: dataType[tensor.dtype],
    dims: tensor.shape.map(BigInt),
    dataLocation: TensorProto_DataLocation.EXTERNAL,
    externalData: Object.entries(entries).map(([key, value]) =>
      create(StringStringEntryProtoSchema, { key, value }),
    ),
  });
}
