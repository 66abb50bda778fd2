/** Scores of a causal language model must be transformers', whatever was asked before and together. */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { CausalLanguageModel } from './causal.ts';

const folder = fileURLToPath(new URL('golden/tiny-gpt2', import.meta.url));
interface Golden {
  readonly text: string;
  readonly ids: readonly number[];
  readonly begun: number;
  readonly ended: number;
}
let golden: Golden[];
let scratch: string;
let model: CausalLanguageModel;

beforeAll(async () => {
  golden = JSON.parse(await readFile(join(folder, 'scores.json'), 'utf8')).texts;
  scratch = await mkdtemp(join(tmpdir(), 'causal-'));
  model = await CausalLanguageModel.load(folder);
});
afterAll(async () => {
  await model.close();
  await rm(scratch, { recursive: true });
});

test('a GPT-2 that torch exported: tokens and log probabilities as in transformers', async () => {
  const scores = await model.score(golden.map(({ text }) => text));
  for (const [i, { text, ids, begun, ended }] of golden.entries()) {
    expect(model.encode(text)).toEqual(ids);
    expect(scores[i]!.begun).toBeCloseTo(begun, 4);
    expect(scores[i]!.ended).toBeCloseTo(ended, 4);
  }
});

test('going on from earlier texts by their keys and values gives the same scores', async () => {
  const other = await CausalLanguageModel.load(folder);
  try {
    // One at a time, the longest last: each but the first goes on from one before it.
    const sorted = [...golden].sort((a, b) => a.ids.length - b.ids.length);
    for (const { text, begun, ended } of sorted) {
      const [score] = await other.score([text]);
      expect(score!.begun).toBeCloseTo(begun, 4);
      expect(score!.ended).toBeCloseTo(ended, 4);
      await other.score([`${text} today`]);
    }
  } finally {
    await other.close();
  }
});

test('a text longer than the context is read in windows, and is likelier than no text of its length', async () => {
  const long = 'the water is cold today and '.repeat(20);
  const [score, half] = await model.score([long, long.slice(0, long.length / 2)]);
  expect(Number.isFinite(score!.ended)).toBe(true);
  expect(score!.begun).toBeLessThan(half!.begun);
});

test.each([
  ['an empty folder', {}, /found no \.onnx file; expected a folder with an ONNX causal language model/],
  [
    'a file that is no model',
    { 'model.onnx': 'x', 'tokenizer.json': '{}' },
    /tokenizer of the Hugging Face kind/,
  ],
  ['no tokenizer', { 'model.onnx': 'x' }, /lacks tokenizer\.json/],
])('%s: one line', async (name, files, message) => {
  const own = await mkdtemp(join(scratch, `${name.replace(/ /g, '-')}-`));
  for (const [file, content] of Object.entries(files)) await writeFile(join(own, file), content);
  await expect(CausalLanguageModel.load(own)).rejects.toThrow(message);
});

test('a broken ONNX file is named with what onnxruntime says', async () => {
  const own = await mkdtemp(join(scratch, 'broken-'));
  await writeFile(join(own, 'tokenizer.json'), await readFile(join(folder, 'tokenizer.json')));
  await writeFile(join(own, 'model.onnx'), 'no protobuf');
  await expect(CausalLanguageModel.load(own)).rejects.toThrow(/model\.onnx: onnxruntime cannot load it: /);
});
