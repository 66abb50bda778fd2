import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { writeTinyModel } from '../../testing/tiny-model.ts';
import { embedManifest } from './recordings.ts';
import { defaultSpeaker } from './train.ts';
import { trainSpeakerModel } from './train-model.ts';
import { verifySpeakers } from './verify.ts';

const folder = mkdtempSync(join(tmpdir(), 'speaker-'));
const samples = fileURLToPath(new URL('../../../samples/gcompris', import.meta.url));
const [model, manifest] = [join(folder, 'model'), join(folder, 'manifest.tsv')];
afterAll(() => rmSync(folder, { recursive: true, force: true }));

beforeAll(async () => {
  await writeTinyModel(model);
  const rows = ['ca', 'en'].flatMap((voice) =>
    ['algebra_by', 'colors', 'maze'].map((key) => {
      copyFileSync(join(samples, voice, `${key}.opus`), join(folder, `${voice}-${key}.opus`));
      return `${voice}-${key}.opus\t${voice}\tall\t${voice}`;
    }),
  );
  writeFileSync(join(folder, 'broken.wav'), 'no audio');
  writeFileSync(manifest, ['audio\tlang\tset\tvoice', ...rows, 'broken.wav\ten\tall\ten'].join('\n'));
});

test('a speaker model is trained from a manifest, embeds its recordings and verifies them; others are skipped', async () => {
  const speaker = join(folder, 'speaker');
  const skipped: string[] = [];
  const stages = new Set<string>();
  const shared = {
    ...{ model, manifest, label: 'voice' },
    onSkip: (reason: string) => skipped.push(reason),
    onProgress: ({ stage }: { stage: string }) => stages.add(stage),
  };
  const losses = await trainSpeakerModel({
    ...shared,
    ...defaultSpeaker,
    ...{ output: speaker, frozen: true, epochs: 2, batchSize: 6, resume: false, onStep: () => undefined },
  });
  expect(JSON.parse(readFileSync(join(speaker, 'losses.json'), 'utf8'))).toEqual(losses);
  const embedded = await embedManifest(manifest, { ...shared, speaker });
  expect(embedded).toHaveLength(6);
  expect(embedded[0]!.audio).toBe(join(folder, 'ca-algebra_by.opus'));
  const output = join(folder, 'verified');
  const found = await verifySpeakers({ ...shared, speaker, output });
  expect(found).toMatchObject({ speakers: 2, clips: 6, pairs: 15, pairsOfOne: 6, prior: 0.01 });
  expect(JSON.parse(readFileSync(join(output, 'results.json'), 'utf8'))).toEqual(found);
  expect(readFileSync(join(output, 'scores.tsv'), 'utf8').trim().split('\n')).toHaveLength(16);
  expect(skipped).toHaveLength(3);
  expect(stages).toEqual(new Set(['reading', 'training', 'embedding', 'comparing']));
});
