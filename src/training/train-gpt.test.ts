/** Training of a small GPT: it learns, repeats bit for bit, and goes on from a checkpoint as if it had not been stopped. */
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { textPerplexity } from '../language-model/perplexity.ts';
import { trainGpt } from './train-gpt.ts';

let folder: string;
let text: string;
const size = { vocabulary: 280, width: 64, layers: 1, heads: 2, positions: 16 };
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'train-gpt-'));
  text = join(folder, 'text.txt');
  const sentences = [
    'The water is cold.',
    'The cat sat on the mat.',
    'Click on the right color!',
    'It rained.',
  ];
  // Ten steps an epoch.
  await writeFile(text, Array.from({ length: 600 }, (_, i) => sentences[i % 4]).join('\n'));
});
afterAll(() => rm(folder, { recursive: true }));

const bytes = (name: string) => readFile(join(folder, name, 'model.onnx'));

test('a run that was stopped goes on from its checkpoint and ends with the same bytes', async () => {
  const output = join(folder, 'stopped');
  const options = { text, to: 'en', epochs: 8, size };
  await trainGpt({ ...options, output: join(folder, 'whole') });
  const stop = new AbortController();
  const stopped = trainGpt({
    ...options,
    output,
    signal: stop.signal,
    onProgress: ({ stage, done }) => {
      if (stage === 'training' && done === 52) stop.abort(new Error('stopped'));
    },
  });
  await expect(stopped).rejects.toThrow('stopped');
  expect(await readdir(output)).toEqual(['checkpoints']);
  await expect(trainGpt({ ...options, output })).rejects.toThrow(
    /checkpoints: found checkpoints .* --resume/,
  );
  await trainGpt({ ...options, output, resume: true });
  expect(await bytes('stopped')).toEqual(await bytes('whole'));
  expect((await readdir(output)).sort()).toEqual(['config.json', 'model.onnx', 'tokenizer.json']);
  const found = await textPerplexity({ model: output, text, to: 'en' });
  expect(found.kind).toBe('causal');
  expect(found.perplexity).toBeLessThan(50);
  expect(found.perplexityOfCharacters).toBeCloseTo(10 ** (-found.logProbability / found.characters), 9);
});

test('a text without words: one line, and nothing left behind', async () => {
  const dots = join(folder, 'dots.txt');
  await writeFile(dots, '...\n!\n');
  const output = join(folder, 'none');
  await expect(trainGpt({ text: dots, to: 'en', output })).rejects.toThrow(/dots\.txt: found no words/);
  expect(await readdir(folder)).not.toContain('none');
});
