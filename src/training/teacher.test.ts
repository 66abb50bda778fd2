/** Teachers that fit and that do not, and students made of some of a model's decoder layers. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Clip } from '../data/clip.ts';
import { UserError } from '../errors.ts';
import { pseudo, writeTinyModel } from '../testing/tiny-model.ts';
import type { EncodedClip } from '../whisper/encoded-clip.ts';
import { WhisperModel } from '../whisper/model.ts';
import { keptLayers } from '../whisper/prune-decoder.ts';
import type { Example } from './batches.ts';
import { defaultTraining } from './choices.ts';
import { distillation } from './distillation.ts';
import { auxiliaryWeights } from './objective.ts';
import { saveModel } from './save.ts';
import { checkTeacher, createTeacher } from './teacher.ts';
import { trainDecoder } from './train.ts';

const scratch = mkdtempSync(join(tmpdir(), 'teacher-'));
const folder = (name: string) => join(scratch, name);
const LAYER = (i: number) => `model.decoder.layers.${i}.fc1.weight`;

let student: WhisperModel;
beforeAll(async () => {
  await writeTinyModel(folder('deep'), { decoderLayers: 4 });
  await writeTinyModel(folder('other'), { decoderLayers: 3, width: 24, encoderFfn: 16 }, 500);
  student = await WhisperModel.load(folder('deep'), { decoderLayers: 2 });
});
afterAll(async () => {
  await student?.close();
  rmSync(scratch, { recursive: true, force: true });
});

const encoded = (width: number, seed: number): EncodedClip => ({
  frames: pseudo(10 * width, seed, 3.4),
  window: 1500,
  length: 10,
  width,
});
const source = { audio: 'a.wav', language: 'en' } as Clip;
const example: Example = {
  clip: encoded(16, 7),
  tokens: [50258, 50260, 50359, 50363, 100, 200, 50257],
  promptLength: 4,
  source,
};

/** Three steps; the reports. */
async function taught(directory: string) {
  const teacher = await WhisperModel.load(directory);
  const asked: Clip[] = [];
  const created = await createTeacher(student, teacher, [example], {
    tunesEncoder: false,
    encode: async (clip) => {
      asked.push(clip);
      return encoded(teacher.dimensions.width, 8);
    },
  });
  const objective = distillation(created, 16, {
    divergence: 'kl',
    temperature: 2,
    shares: { labels: 0.1, teacher: 0.9 },
    hidden: { matching: 'dynamic', distance: 'mse' },
  });
  const options = { ...defaultTraining, steps: 3, batchSize: 1, warmupSteps: 1, learningRate: 1e-3 };
  const reports = await trainDecoder(student, [example], { ...options, objective });
  await teacher.close();
  return { reports, asked: [...new Set(asked)], objective };
}

test('the student has the first and the last layer, and is saved as a model of two', async () => {
  expect(keptLayers(6, 2)).toEqual([0, 5]);
  expect(keptLayers(32, 4)).toEqual([0, 10, 20, 31]);
  expect(keptLayers(6, 1)).toEqual([5]);
  expect(keptLayers(6, 6)).toEqual([0, 1, 2, 3, 4, 5]);
  const deep = await WhisperModel.load(folder('deep'));
  const of = async (model: WhisperModel, layers: number[]) =>
    (await model.runtime.read(layers.map(LAYER))).map(({ data }) => data);
  const [ours, theirs] = [await of(student, [0, 1]), await of(deep, [0, 3])];
  await deep.close();
  expect(ours).toEqual(theirs);

  await saveModel(student, folder('saved'), {
    prompt: { target: 'zh', kind: 'target-transcribe' },
    dtype: 'float32',
  });
  expect(JSON.parse(readFileSync(join(folder('saved'), 'config.json'), 'utf8')).decoder_layers).toBe(2);
  const saved = await WhisperModel.load(folder('saved'));
  expect(await of(saved, [0, 1])).toEqual(theirs);
  await saved.close();

  const error = await WhisperModel.load(folder('deep'), { decoderLayers: 5 }).catch((thrown) => thrown);
  expect(error).toBeInstanceOf(UserError);
  expect(error.message).toMatch(/has 4 decoder layers; expected at least the 5/);
});

test('a teacher with the same encoder shares its frames; another has its own; the student is trained with both', async () => {
  const same = await taught(folder('deep'));
  expect(same.asked).toEqual([]);
  const other = await taught(folder('other'));
  expect(other.asked).toEqual([source]);
  for (const { reports, objective } of [same, other]) {
    const terms = reports.map((report) => report.terms!);
    expect(Object.keys(terms[0]!)).toEqual(['crossEntropy', 'distillation', 'hiddenDistance']);
    for (const { loss, terms } of reports) {
      const { crossEntropy, distillation, hiddenDistance } = terms!;
      expect(loss).toBeCloseTo(0.1 * crossEntropy! + 0.9 * (distillation! + hiddenDistance!), 3);
    }
    expect(reports.at(-1)!.loss).toBeLessThan(reports[0]!.loss);
    expect(auxiliaryWeights(objective)).toEqual(['distillation.projection.weight']);
  }
});

test('a teacher of another vocabulary, or none, is a mistake said in one line', async () => {
  await expect(checkTeacher(student, folder('other'))).resolves.toBeUndefined();
  await writeTinyModel(folder('v3'), { vocabulary: 51_866, decoderLayers: 1 });
  for (const [directory, said] of [
    [folder('v3'), /v3: a teacher of 51866 tokens; expected one of 51865, as .*deep has$/],
    [folder('nothing'), /nothing: expected a Whisper model directory, found no config\.json$/],
  ] as const) {
    const error = await checkTeacher(student, directory).catch((thrown) => thrown);
    expect(error).toBeInstanceOf(UserError);
    expect(error.message).toMatch(said);
  }
});
