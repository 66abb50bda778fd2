/** Checkpoints: what is written is read back to the bit; what is damaged, another run's or does not fit is said. */
import { mkdtempSync, readdirSync, rmSync, truncateSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { float32 } from '../backend/runtime.ts';
import { writeSafetensors } from '../checkpoint/safetensors-write.ts';
import { UserError } from '../errors.ts';
import type { TrainingState } from './checkpoints.ts';
import {
  type RunRecord,
  readCheckpointOf,
  readNewestCheckpoint,
  writeTrainingCheckpoint,
} from './checkpoints.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'checkpoints-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

const settings = { model: 'abc', clips: '8 (def)', learningRate: 1e-4 };
const stateOf = (step: number): TrainingState => ({
  step,
  names: ['b', 'a'],
  weights: [float32(Float32Array.of(1, -0, step), [3]), float32(Float32Array.of(0.1, 1e-40), [1, 2])],
  optimizer: {
    steps: step - 1,
    means: [Float32Array.of(1, 2, 3), Float32Array.of(4, 5)],
    squares: [Float32Array.of(6, 7, 8), Float32Array.of(9, 1e-38)],
  },
});
const size = { clips: 1, frames: 160, paddedFrames: 0, positions: 9, paddedPositions: 0 };
const recordOf = (step: number): RunRecord => ({
  settings,
  reports: [
    { step, loss: 2.5, learningRate: 0.1, gradientNorm: 1, skipped: false, tokens: 9, size, seconds: 0.125 },
  ],
  evaluations: [],
});
const write = (step: number, best?: number) =>
  writeTrainingCheckpoint(folder, stateOf(step), recordOf(step), best);
const read = (expected: Parameters<typeof readNewestCheckpoint>[1] = settings) => {
  const lines: string[] = [];
  return readNewestCheckpoint(folder, expected, { note: (line) => lines.push(line) }).then((found) => ({
    found,
    lines,
  }));
};
const complaint = async (promise: Promise<unknown>) => {
  const error = await promise.catch((thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(UserError);
  expect((error as Error).message).not.toContain('\n');
  return (error as Error).message.replaceAll(folder, 'FOLDER');
};

test('the newest is read back to the bit; of the older ones the one before it and the best stay', async () => {
  for (const step of [2, 4, 6, 8, 1000000]) await write(step, step >= 4 ? 4 : undefined);
  const { found, lines } = await read();
  expect(found).toEqual({
    state: stateOf(1000000),
    record: expect.objectContaining(recordOf(1000000)),
  });
  expect(Object.is(found!.state.weights[0]!.data[1], -0)).toBe(true);
  expect(lines).toEqual([]);
  expect(readdirSync(folder).sort()).toEqual(['step-000004', 'step-000008', 'step-1000000']);
  expect(await readCheckpointOf(folder, 4)).toEqual(stateOf(4));
});

test('a loss that was not finite is still none when it is read', async () => {
  const [report] = recordOf(2).reports;
  await writeTrainingCheckpoint(folder, stateOf(2), {
    ...recordOf(2),
    reports: [{ ...report!, loss: Number.NaN, skipped: true }],
  });
  expect((await read()).found!.record.reports).toEqual([{ ...report, loss: Number.NaN, skipped: true }]);
});

test('none where nothing was written', async () => {
  expect((await read()).found).toBeUndefined();
});

test('whatever file is cut short or missing: named in one line, and the one before it is taken', async () => {
  for (const file of ['state.safetensors', 'training.json', 'SHA256SUMS']) {
    for (const damage of [(path: string) => truncateSync(path, 20), (path: string) => rmSync(path)]) {
      await write(2);
      await write(4);
      damage(join(folder, 'step-000004', file));
      const { found, lines } = await read();
      expect(found!.state).toEqual(stateOf(2));
      expect(lines).toHaveLength(1);
      expect(lines[0]).toMatch(/step-000004: .*(cut off|missing).*before it is taken$/);
    }
  }
  expect(await complaint(readCheckpointOf(folder, 4))).toMatch(/step-000004: .*expected the best/);
});

test("another model's, or other settings', is refused: what differs is said, and nothing else", async () => {
  await write(2);
  expect(await complaint(read({ ...settings, model: 'xyz', seed: 1 }))).toBe(
    'FOLDER/step-000002: found a checkpoint of model "abc", seed not set; expected model "xyz", seed 1 as in this run',
  );
  expect((await read()).found!.state.step).toBe(2);
});

test('other clips: what to do is said; a fingerprint that an earlier version made of the same clips is none', async () => {
  const ofClips = (clips: string) => ({ ...settings, clips });
  await writeTrainingCheckpoint(folder, stateOf(2), { ...recordOf(2), settings: ofClips('9 (old)') });
  expect(await complaint(read(ofClips('9 (new)')))).toBe(
    'FOLDER/step-000002: found a checkpoint of clips "9 (old)"; expected clips "9 (new)" as in this run; the recordings of the ' +
      'manifest, their order, texts or lengths are not those that the run began with: restore them, or begin again with another --output',
  );
  const isFormer = async (name: string, found: unknown) => name === 'clips' && found === '9 (old)';
  const same = await readNewestCheckpoint(folder, ofClips('9 (new)'), { note: () => {}, isFormer });
  expect(same!.state.step).toBe(2);
});

test('a checkpoint with former names of settings is resumed', async () => {
  const former = { ...settings, 'tune.embedding': 'dense', 'data.mostPadding': 0.2 };
  await writeTrainingCheckpoint(folder, stateOf(2), { ...recordOf(2), settings: former }, undefined);
  const current = { ...settings, 'tune.embedding': 'trained', 'data.maxPadding': 0.2 };
  expect((await read(current)).found!.state.step).toBe(2);
});

test('a full disk: one line, and the last good checkpoint is as it was', async () => {
  await write(2);
  const full = async (...[file, tensors]: Parameters<typeof writeSafetensors>) => {
    await writeSafetensors(file, tensors.slice(0, 2));
    throw Object.assign(new Error('ENOSPC: no space left on device, write'), { code: 'ENOSPC' });
  };
  expect(await complaint(writeTrainingCheckpoint(folder, stateOf(4), recordOf(4), undefined, full))).toBe(
    'FOLDER/step-000004: checkpoint cannot be written: ENOSPC: no space left on device, write; ' +
      'step-000002 is whole: make room, then go on from it with --resume',
  );
  expect(readdirSync(folder)).toEqual(['step-000002']);
  expect((await read()).found!.state).toEqual(stateOf(2));
});
