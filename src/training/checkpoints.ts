/**
 * Checkpoints of a training run: the state to resume it exactly as if it had never been stopped. Each is a folder
 *
 *     step-000120/state.safetensors   trained weights, and AdamW's moments as "mean:NAME" and "square:NAME", float32
 *     step-000120/training.json       step, settings, reports so far
 *     step-000120/SHA256SUMS          of both, as `sha256sum --check` reads it
 *
 * written completely or not at all: under another name, flushed to the disk, and renamed.
 */
import { mkdir, open, readFile, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { AdamWState } from '../backend/protocol.ts';
import type { HostTensor, Runtime } from '../backend/runtime.ts';
import { floatBytes } from '../checkpoint/checkpoint.ts';
import { readFileEntries, readFloat32 } from '../checkpoint/safetensors.ts';
import { type TensorToWrite, writeSafetensors } from '../checkpoint/safetensors-write.ts';
import { UserError } from '../errors.ts';
import { Fingerprint } from '../files/fingerprint.ts';
import { namesIn } from '../files/read.ts';
import { replaceWhole } from '../files/write-whole.ts';
import type { DevEvaluation } from './dev-evaluation.ts';
import { withCurrentPaths } from './former-names.ts';
import type { StepReport } from './train.ts';

/** State that later steps depend on, beside data and options: the batches follow from `step`. */
export interface TrainingState {
  /** Number of steps, those that were skipped included. */
  readonly step: number;
  /** Names of the trained weights; the other lists are in this order. */
  readonly names: readonly string[];
  readonly weights: readonly HostTensor[];
  readonly optimizer: AdamWState;
}

/** A copy of the state after a step. */
export async function trainingState(
  runtime: Runtime,
  step: number,
  names: readonly string[],
): Promise<TrainingState> {
  return { step, names, weights: await runtime.read(names), optimizer: await runtime.adamWState() };
}

/** Restores trained weights. The state's arrays move to the computing thread. */
export function storeTrained(
  runtime: Runtime,
  { names, weights }: Pick<TrainingState, 'names' | 'weights'>,
): Promise<void> {
  return runtime.store(
    names.map((name, i) => [name, { shape: weights[i]!.shape, data: weights[i]!.data as Float32Array }]),
  );
}

/** Settings that the weights depend on. A run can only resume from a checkpoint of equal settings. */
export type RunSettings = Readonly<Record<string, string | number | boolean>>;

/** Record of a run beside its weights: JSON. */
export interface KeptRecord {
  readonly settings: RunSettings;
}

/** Record of a training run of a recipe. */
export interface RunRecord extends KeptRecord {
  readonly reports: readonly StepReport[];
  readonly evaluations: readonly DevEvaluation[];
}

interface TrainingFile {
  readonly step: number;
  /** Steps of the optimizer: those that were skipped do not count. */
  readonly optimizerSteps: number;
}

const STATE = 'state.safetensors';
const TRAINING = 'training.json';
const SUMS = 'SHA256SUMS';
/** Number of checkpoints kept beside the best, so that a damaged newest one has one before it. */
const KEPT = 2;

const checkpointName = (step: number): string => `step-${String(step).padStart(6, '0')}`;

/** Steps of the checkpoints in a folder, newest first; none without a folder. */
export async function checkpointSteps(folder: string): Promise<number[]> {
  return (await namesIn(folder))
    .flatMap((name) => /^step-(\d{6,})$/.exec(name)?.[1] ?? [])
    .map(Number)
    .sort((a, b) => b - a);
}

/**
 * Checks the folder of a run's checkpoints, before any long work.
 * @returns the folder
 * @throws UserError where it has checkpoints of an earlier run that is not to be resumed
 */
export async function prepareCheckpoints(output: string, resume: boolean): Promise<string> {
  const folder = join(output, 'checkpoints');
  const [newest] = await checkpointSteps(folder);
  if (newest !== undefined && !resume) {
    throw new UserError(
      `${folder}: found checkpoints of an earlier run, up to step ${newest}; ` +
        'expected --resume to go on with it, or another --output',
    );
  }
  return folder;
}

/**
 * Writes the checkpoint of a step, then deletes older ones but for the one before and that of the best step.
 * @param write for tests: a disk that is full
 * @throws UserError when it cannot be written; earlier ones are kept
 */
export async function writeTrainingCheckpoint<R extends KeptRecord = RunRecord>(
  folder: string,
  state: TrainingState,
  record: R,
  best?: number,
  write: (file: string, tensors: readonly TensorToWrite[]) => Promise<void> = writeSafetensors,
): Promise<void> {
  const target = join(folder, checkpointName(state.step));
  const earlier = await checkpointSteps(folder);
  try {
    await replaceWhole(target, async (incomplete) => {
      await mkdir(incomplete, { recursive: true });
      await write(join(incomplete, STATE), stateTensors(state));
      const file: TrainingFile & R = { step: state.step, optimizerSteps: state.optimizer.steps, ...record };
      await writeAndSync(join(incomplete, TRAINING), `${JSON.stringify(file)}\n`);
      const sums = await Promise.all(
        [STATE, TRAINING].map(async (name) => `${await sha256(join(incomplete, name))}  ${name}\n`),
      );
      await writeAndSync(join(incomplete, SUMS), sums.join(''));
      await syncFolder(incomplete);
      // A checkpoint of this step exists only if it is damaged, or if an evaluation wrote it already.
      await rm(target, { recursive: true, force: true });
    });
    await syncFolder(folder);
    await syncFolder(dirname(folder));
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === undefined) throw error;
    const last = earlier.find((step) => step < state.step);
    throw new UserError(
      `${target}: checkpoint cannot be written: ${message}; ` +
        (last === undefined
          ? 'there is none before it'
          : `${checkpointName(last)} is whole: make room, then go on from it with --resume`),
    );
  }
  for (const name of await namesIn(folder)) {
    // Left by runs that were killed while writing.
    if (name.endsWith('.incomplete')) await rm(join(folder, name), { recursive: true });
  }
  const steps = (await checkpointSteps(folder)).filter((step) => step <= state.step);
  for (const step of steps.slice(KEPT)) {
    if (step !== best) await rm(join(folder, checkpointName(step)), { recursive: true });
  }
}

/** Whether a setting of a checkpoint, by name, is as in this run in the form of an earlier version. */
export type IsFormer = (name: string, found: unknown) => Promise<boolean>;

export interface ReadCheckpointOptions {
  /** Reports each newer checkpoint that is damaged, in one line. */
  readonly note: (line: string) => void;
  /** Asked where a setting differs. Default: it is not. */
  readonly isFormer?: IsFormer | undefined;
}

/**
 * Reads the newest undamaged checkpoint; undefined where there is none.
 * @throws UserError when it belongs to a run of other settings
 */
export async function readNewestCheckpoint<R extends KeptRecord = RunRecord>(
  folder: string,
  settings: RunSettings,
  { note, isFormer }: ReadCheckpointOptions,
): Promise<{ state: TrainingState; record: R } | undefined> {
  for (const step of await checkpointSteps(folder)) {
    const path = join(folder, checkpointName(step));
    const damage = await damageOf(path);
    if (damage !== undefined) {
      note(`${path}: ${damage}; the checkpoint before it is taken`);
      continue;
    }
    const record = await readRecord<R>(path);
    const found = withCurrentPaths(record.settings);
    for (const [name, value] of Object.entries(settings)) {
      if (found[name] !== value && (await isFormer?.(name, found[name]))) found[name] = value;
    }
    checkSettings(path, record.step, found, settings);
    return { state: await readState(path, record), record };
  }
  return undefined;
}

/**
 * The checkpoint to resume from; undefined: begin at the first step.
 * @param options `note` also reports that there is none
 * @throws UserError as `readNewestCheckpoint`
 */
export async function resumption<R extends KeptRecord = RunRecord>(
  folder: string,
  settings: RunSettings,
  { resume, ...options }: ReadCheckpointOptions & { readonly resume: boolean },
): Promise<{ state: TrainingState; record: R } | undefined> {
  if (!resume) return undefined;
  const found = await readNewestCheckpoint<R>(folder, settings, options);
  if (!found) options.note(`${folder}: no whole checkpoint: training begins at the first step`);
  return found;
}

/** Reads the state of an existing checkpoint. @throws UserError where it is damaged */
export async function readCheckpointOf(folder: string, step: number): Promise<TrainingState> {
  const path = join(folder, checkpointName(step));
  const damage = await damageOf(path);
  if (damage !== undefined) throw new UserError(`${path}: ${damage}; expected the best step's checkpoint`);
  return readState(path, await readRecord(path));
}

/** Deletes all checkpoints, once the trained model is written. */
export async function removeCheckpoints(folder: string): Promise<void> {
  await rm(folder, { recursive: true });
}

function stateTensors({ names, weights, optimizer }: TrainingState): TensorToWrite[] {
  return names.flatMap((name, i) => {
    const { shape, data } = weights[i]!;
    const tensor = (as: string, values: Float32Array): TensorToWrite => ({
      name: as,
      shape,
      dtype: 'F32',
      bytes: () => floatBytes(as, values, 'float32'),
    });
    return [
      tensor(name, data as Float32Array),
      tensor(`mean:${name}`, optimizer.means[i]!),
      tensor(`square:${name}`, optimizer.squares[i]!),
    ];
  });
}

async function readState(path: string, { step, optimizerSteps }: TrainingFile): Promise<TrainingState> {
  const values = new Map<string, { shape: readonly number[]; data: Float32Array }>();
  for await (const { entry, data } of readFloat32(await readFileEntries(join(path, STATE)))) {
    values.set(entry.name, { shape: entry.shape, data });
  }
  const names = [...values.keys()].filter((name) => !/^(mean|square):/.test(name));
  return {
    step,
    names,
    weights: names.map((name) => ({ dtype: 'float32', ...values.get(name)! })),
    optimizer: {
      steps: optimizerSteps,
      means: names.map((name) => values.get(`mean:${name}`)!.data),
      squares: names.map((name) => values.get(`square:${name}`)!.data),
    },
  };
}

async function readRecord<R extends KeptRecord>(path: string): Promise<TrainingFile & R> {
  // JSON has no NaN: a loss that was not finite is null.
  return JSON.parse(await readFile(join(path, TRAINING), 'utf8'), (_, value) => value ?? Number.NaN);
}

/** Description of the damage of a checkpoint; undefined where it is undamaged. */
async function damageOf(path: string): Promise<string | undefined> {
  const sums = await readFile(join(path, SUMS), 'utf8').catch(() => '');
  for (const name of [STATE, TRAINING]) {
    const expected = new RegExp(`^([0-9a-f]{64}) {2}${name}$`, 'm').exec(sums)?.[1];
    if (expected === undefined) return `${SUMS} lacks ${name}: cut off or damaged`;
    const found = await sha256(join(path, name)).catch(() => undefined);
    if (found === undefined) return `${name} is missing or cannot be read`;
    if (found !== expected) return `${name} is cut off or damaged: its SHA-256 is not the one in ${SUMS}`;
  }
  return undefined;
}

/** Names of settings that differ, and their values in words; undefined where none do. */
export function differingSettings(
  found: RunSettings,
  expected: RunSettings,
): { readonly names: readonly string[]; readonly found: string; readonly expected: string } | undefined {
  const names = [...new Set([...Object.keys(expected), ...Object.keys(found)])].filter(
    (name) => found[name] !== expected[name],
  );
  if (names.length === 0) return undefined;
  const described = (values: RunSettings): string =>
    names.map((name) => `${name} ${JSON.stringify(values[name]) ?? 'not set'}`).join(', ');
  return { names, found: described(found), expected: described(expected) };
}

function checkSettings(path: string, step: number, found: RunSettings, expected: RunSettings): void {
  const difference = differingSettings(found, expected);
  if (!difference) return;
  const { names: differing } = difference;
  const steps = found['optimizer.steps'];
  const output = dirname(dirname(path));
  const hints = [
    ...(differing.includes('optimizer.steps')
      ? [
          'the learning rate falls to 0 at the last step, so the number of steps holds for the whole run; ' +
            (step === steps
              ? `a new run trains its model further: --model ${output} with another --output`
              : `--steps ${steps} finishes this one`),
        ]
      : []),
    ...(differing.includes('clips') || differing.includes('devClips')
      ? [
          'the recordings of the manifest, their order, texts or lengths are not those that the run began with: ' +
            'restore them, or begin again with another --output',
        ]
      : []),
    ...(differing.includes('threads') ? [`--threads ${found.threads} computes as it did`] : []),
  ];
  throw new UserError(
    [
      `${path}: found a checkpoint of ${difference.found}; expected ${difference.expected} as in this run`,
      ...hints,
    ].join('; '),
  );
}

const sha256 = async (file: string): Promise<string> => (await new Fingerprint().addFile(file)).hex();

async function writeAndSync(file: string, text: string): Promise<void> {
  await writeFile(file, text, { flush: true });
}

/** A new name survives a power cut only once its folder is flushed to the disk. */
async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
