/**
 * Training steps on a device (graph/training-steps.ts), in the computing thread. Weights and moments lie in long arrays here
 * while no step runs, and the weights' names are views into them, so that other programs see what is trained.
 */
import {
  batchPlaces,
  biasCorrections,
  stateKinds,
  TAKEN,
  type WeightGroup,
} from '../graph/training-steps.ts';
import { copied } from './copy.ts';
import { createSession } from './create-session.ts';
import { fromHost, setWeight, weightOf } from './memory.ts';
import ort from './onnxruntime.ts';
import type { AdamWState, HostTensor, RequestOf, StepBatch } from './protocol.ts';

/** Long arrays by the names that graphs have for them: `weights.0`, `means.0` … */
type State = Map<string, Float32Array>;

interface Training {
  readonly groups: readonly WeightGroup[];
  state: State;
  /** Steps of the optimizer: those that were skipped do not count. */
  steps: number;
}

interface Loaded extends Pick<RequestOf<'steps-load'>, 'inputs' | 'scalars' | 'looped'> {
  readonly session: ort.InferenceSession;
  /** Where steps run one by one: the state on the device, once there was a step. */
  resident?: Map<string, ort.Tensor>;
  /** Where they run in a loop: arrays that the next run writes the state into. */
  spare?: State;
}

let training: Training | undefined;
let loaded: Loaded | undefined;

export const isTraining = (): boolean => training !== undefined;

export function create({ groups, accumulates, state }: RequestOf<'steps-create'>): void {
  training = { groups, state: new Map(), steps: state?.steps ?? 0 };
  for (const kind of stateKinds({ accumulates }))
    groups.forEach(({ length }, i) => training!.state.set(`${kind}.${i}`, new Float32Array(length)));
  let weight = 0;
  for (const [i, { members }] of groups.entries()) {
    for (const { name, offset } of members) {
      const put = (kind: string, values: Float32Array) =>
        training!.state.get(`${kind}.${i}`)!.set(values, offset);
      put('weights', weightOf(name).data as Float32Array);
      if (state) {
        put('means', state.means[weight]!);
        put('squares', state.squares[weight]!);
      }
      weight++;
    }
  }
  showWeights();
}

/** Sets the weights by name to their places in the long arrays. */
function showWeights(): void {
  for (const [i, { members }] of training!.groups.entries()) {
    const weights = training!.state.get(`weights.${i}`)!;
    for (const { name, shape, offset, count } of members)
      setWeight(name, new ort.Tensor('float32', weights.subarray(offset, offset + count), shape));
  }
}

export async function load(request: RequestOf<'steps-load'>, threads: number): Promise<void> {
  const { bytes, builtIn, inputs, scalars, looped } = request;
  const onDevice = looped ? [] : [...training!.state.keys()].map((name) => `next.${name}`);
  const session = await createSession(bytes, { builtIn, threads, onDevice });
  loaded = { session, inputs, scalars, looped };
}

/** @returns the scalars of each batch, by name */
export async function run({
  batches,
  beta1,
  beta2,
}: RequestOf<'steps-run'>): Promise<Record<string, number[]>> {
  const { scalars, looped } = loaded!;
  const corrections = (steps: number) =>
    Array.from({ length: steps }, (_, i) => biasCorrections({ beta1, beta2 }, training!.steps + 1 + i));
  const found: Record<string, number[]> = Object.fromEntries(scalars.map((name) => [name, []]));
  const runs = looped ? [batches] : batches.map((batch) => [batch]);
  for (const together of runs) {
    const feeds = {
      ...(looped ? stacked(together, loaded!.inputs) : single(together[0]!)),
      corrections: float32(corrections(looped ? together.length : 1).flat(), looped ? 2 : undefined),
    };
    const results = await (looped ? runLooped : runResident)(loaded!, feeds);
    for (const name of scalars)
      for (const value of results[name]!.data as Float32Array) found[name]!.push(value);
    training!.steps += found[TAKEN]!.slice(-together.length).reduce((sum, taken) => sum + taken, 0);
  }
  return found;
}

/** @param width of a row; without it a vector */
function float32(values: readonly number[], width?: number): ort.Tensor {
  const dims = width === undefined ? [values.length] : [values.length / width, width];
  return new ort.Tensor('float32', Float32Array.from(values), dims);
}

function single({ feeds, schedule }: StepBatch): Record<string, ort.Tensor> {
  const given = Object.entries(feeds).map(([name, value]) => [name, fromHost(value)]);
  return { ...Object.fromEntries(given), schedule: float32(schedule) };
}

/** The inputs of `stepsGraph`. */
function stacked(batches: readonly StepBatch[], inputs: readonly string[]): Record<string, ort.Tensor> {
  const feeds: Record<string, ort.Tensor> = {};
  const starts = inputs.map(() => [] as number[]);
  for (const [k, name] of inputs.entries()) {
    const all = batches.map((batch) => batch.feeds[name]!);
    let length = 0;
    for (const { data } of all) {
      starts[k]!.push(length);
      length += data.length;
    }
    const { data: first, dtype } = all[0]!;
    const values = new (first.constructor as new (length: number) => HostTensor['data'])(length);
    for (const [b, { data }] of all.entries()) values.set(data as never, starts[k]![b]!);
    feeds[`all.${name}`] = fromHost({ dtype, shape: [length], data: values });
  }
  const places = batches.flatMap((batch, b) =>
    batchPlaces(
      inputs.map((name) => batch.feeds[name]!.shape),
      starts.map((ofInput) => ofInput[b]!),
    ),
  );
  const rows = batches.length;
  feeds.places = new ort.Tensor('int64', BigInt64Array.from(places, BigInt), [rows, places.length / rows]);
  feeds.schedule = float32(
    batches.flatMap(({ schedule }) => schedule),
    batches[0]!.schedule.length,
  );
  feeds.count = new ort.Tensor('int64', BigInt64Array.of(BigInt(rows)), []);
  return feeds;
}

const hostTensors = (state: State, prefix = ''): Record<string, ort.Tensor> =>
  Object.fromEntries(
    [...state].map(([name, values]) => [prefix + name, new ort.Tensor('float32', values, [values.length])]),
  );

type Outputs = Record<string, ort.Tensor>;

/** The feeds that the outputs depend on. */
const known = ({ session }: Loaded, feeds: Record<string, ort.Tensor>): Record<string, ort.Tensor> =>
  Object.fromEntries(session.inputNames.map((name) => [name, feeds[name]!]));

/** The state goes to the device and comes back with each run. */
async function runLooped(found: Loaded, feeds: Record<string, ort.Tensor>): Promise<Outputs> {
  found.spare ??= new Map([...training!.state].map(([name, { length }]) => [name, new Float32Array(length)]));
  const fetches: Record<string, ort.Tensor | null> = hostTensors(found.spare, 'next.');
  for (const name of found.scalars) fetches[name] = null;
  const results = await found.session.run(
    known(found, { ...feeds, ...hostTensors(training!.state) }),
    fetches,
  );
  [training!.state, found.spare] = [found.spare, training!.state];
  showWeights();
  return results;
}

/** The state stays on the device. */
async function runResident(found: Loaded, feeds: Record<string, ort.Tensor>): Promise<Outputs> {
  const state = found.resident ? Object.fromEntries(found.resident) : hostTensors(training!.state);
  const results = await found.session.run(known(found, { ...feeds, ...state }));
  for (const tensor of found.resident?.values() ?? []) tensor.dispose();
  found.resident = new Map([...training!.state.keys()].map((name) => [name, results[`next.${name}`]!]));
  return results;
}

/** Brings the state to the host's arrays, from where it is read. */
export async function download(): Promise<void> {
  if (!loaded?.resident) return;
  for (const [name, values] of loaded.resident)
    training!.state.get(name)!.set((await copied(values)).data as Float32Array);
}

/** Sets the values of a trained weight. @returns false where the weight is not trained */
export function setTrained(name: string, { data }: HostTensor): boolean {
  for (const [i, { members }] of training!.groups.entries()) {
    const place = members.find((member) => member.name === name);
    if (!place) continue;
    if (loaded) throw new Error('internal: a trained weight was set while steps run');
    training!.state.get(`weights.${i}`)!.set(data as Float32Array, place.offset);
    return true;
  }
  return false;
}

/** A copy of the optimizer's state. */
export async function state(): Promise<AdamWState> {
  await download();
  const all = (kind: string): Float32Array[] =>
    training!.groups.flatMap(({ members }, i) =>
      members.map(({ offset, count }) => training!.state.get(`${kind}.${i}`)!.slice(offset, offset + count)),
    );
  return { steps: training!.steps, means: all('means'), squares: all('squares') };
}

/** Frees what the steps need beside the state, which is on the host from then on. */
export async function unload(): Promise<void> {
  await download();
  for (const tensor of loaded?.resident?.values() ?? []) tensor.dispose();
  await loaded?.session.release();
  loaded = undefined;
}

/** Ends the training; the weights keep their values. */
export function release(): void {
  for (const { members } of training!.groups) {
    for (const { name, shape } of members) {
      const { data } = weightOf(name);
      setWeight(name, new ort.Tensor('float32', (data as Float32Array).slice(), shape));
    }
  }
  training = undefined;
}
