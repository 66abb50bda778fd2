/** A model card has what recipe, configuration and evaluation say, and nothing else. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { parse } from 'yaml';
import { modelFingerprint } from '../checkpoint/model-fingerprint.ts';
import { modelCard } from './model-card.ts';

const scratch = mkdtempSync(join(tmpdir(), 'card-'));
const model = join(scratch, 'out/en-zh');
const COMMIT = 'a'.repeat(40);
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

const json = (path: string, value: unknown): void => {
  mkdirSync(join(path, '..'), { recursive: true });
  writeFileSync(path, JSON.stringify(value));
};
json(join(model, 'config.json'), { model_type: 'whisper' });
json(join(model, 'generation_config.json'), { language: '<|zh|>', task: 'transcribe' });

const card = async (more: object = {}) => {
  const text = await modelCard({ model, id: 'acme/en-zh', version: '0.2.0', ...more });
  const [, metadata = '', body = ''] = /^---\n([\s\S]*?)---\n([\s\S]*)$/.exec(text)!;
  return { metadata: parse(metadata) as Record<string, unknown>, body };
};

test('without recipe, evaluation and licence the card has none', async () => {
  const { metadata, body } = await card();
  expect(Object.keys(metadata)).toEqual(['language', 'library_name', 'pipeline_tag', 'tags']);
  expect(metadata.language).toEqual(['zh']);
  expect(body).toContain('Nothing is measured');
  expect(body).toContain('its base model is not known here');
  expect(body).not.toContain('BLEU');
});

test('what was made by a machine of its training data is said', async () => {
  const by = [{ column: 'text_zh', clips: 1200, of: 1777, by: ['qwen3'] }];
  json(join(model, 'training-data.json'), { clips: 1777, machineMade: by });
  const { body } = await card();
  rmSync(join(model, 'training-data.json'));
  expect(body).toContain(
    '- In its training 1,200 of 1,777 translations into Chinese are made by a machine (qwen3).\n',
  );
});

test('with them: the base model with its commit, the settings, and scores with intervals as the evaluation has them', async () => {
  json(join(model, 'recipe.json'), {
    model: `openai/whisper-small@${COMMIT}`,
    output: '.',
    data: {
      corpora: [{ manifest: '../../private/place/train.tsv', set: 'train', language: 'en' }],
      cache: '../cache',
    },
    optimizer: { steps: 1000, learningRate: 0.0002 },
    prompt: '<|zh|>',
  });
  writeFileSync(join(model, 'LICENSE'), 'MIT License\n');
  const scores = {
    ...{
      date: '2026-11-28T10:00:00Z',
      manifest: '/home/me/new.tsv',
      selection: { set: 'test', language: null },
    },
    models: [
      { name: 'en-zh', fingerprint: await modelFingerprint(model) },
      { name: 'other', fingerprint: 'x' },
    ],
    ...{ unreadable: [], notes: ['5 of 60 clips have no text in "zh"'] },
    rows: ['en-zh', 'other'].map((name, i) => ({
      ...{
        test: 'translation into zh',
        forgetting: false,
        model: name,
        prompt: 'target-transcribe',
        language: 'en',
        n: 55,
      },
      scores: {
        bleu: { score: 21.456 + i, interval: { mean: 21.5, low: 18.25, high: 24.75 }, signature: 'tok:zh' },
      },
    })),
  };
  const evaluation = join(scratch, 'evaluation');
  json(join(evaluation, 'scores.json'), scores);
  const { metadata, body } = await card({ evaluation, datasets: ['google/fleurs'] });
  expect(metadata).toMatchObject({
    ...{ language: ['zh', 'en'], license: 'mit', base_model: 'openai/whisper-small' },
    ...{ datasets: ['google/fleurs'], metrics: ['bleu'], library_name: 'transformers' },
  });
  expect(metadata['model-index']).toEqual([
    {
      name: 'en-zh',
      results: [
        {
          task: { type: 'translation', name: 'translation into zh, from en' },
          dataset: {
            name: 'new.tsv, set test',
            type: 'new.tsv-set-test',
            split: 'test',
            args: { clips: 55, prompt: 'target-transcribe' },
          },
          metrics: [
            {
              type: 'bleu',
              value: 21.46,
              name: 'BLEU',
              args: { signature: 'tok:zh', interval95: [18.25, 24.75] },
            },
          ],
        },
      ],
    },
  ]);
  expect(body).toContain(`openai/whisper-small, commit ${COMMIT}`);
  expect(body).toContain('| translation into zh | en | target-transcribe | 55 | 21.5 (18.3–24.8) |');
  expect(body).toContain('| optimizer.learningRate | 0.0002 |');
  expect(body).toContain('| prompt | <\\|zh\\|> |');
  expect(body).toContain('- train.tsv, set train, spoken in English');
  expect(body).toContain('5 of 60 clips have no text');
  expect(body).not.toMatch(/private|home\/me|22\.5/);

  writeFileSync(join(model, 'model.safetensors'), 'trained on');
  await expect(card({ evaluation })).rejects.toThrow(
    /scores.json: found scores of en-zh, other, none of .*en-zh as it is now/,
  );
});
