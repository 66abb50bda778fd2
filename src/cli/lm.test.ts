import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Command } from 'commander';
import { afterAll, expect, test, vi } from 'vitest';
import { lmCommand } from './lm.ts';

const folder = mkdtempSync(join(tmpdir(), 'lm-'));
const said: string[] = [];
const warned: string[] = [];
vi.spyOn(console, 'log').mockImplementation((line) => said.push(String(line)));
vi.spyOn(process.stderr, 'write').mockImplementation((text) => warned.push(String(text)) > 0);
afterAll(() => {
  vi.restoreAllMocks();
  rmSync(folder, { recursive: true });
});

function file(name: string, content: string): string {
  writeFileSync(join(folder, name), content);
  return join(folder, name);
}
const lmCommands = () => lmCommand(new Command('lm').exitOverride());
const lm = (...args: string[]) => lmCommands().parseAsync(args, { from: 'user' });

const text = file('text.txt', 'The cat sat.\nThe cat ran!\n\nA dog sat.\n');
const model = join(folder, 'model.arpa');

test('trains a model and measures it, on the same words', async () => {
  await lm('train', text, '--order', '3', '--output', model, '--to', 'en', '--json');
  expect(JSON.parse(said.at(-1)!)).toMatchObject({
    model,
    order: 3,
    language: 'en',
    sentences: 3,
    tokens: 12,
    ngrams: [9, 9, 8],
    fallback: [1, 2, 3],
  });
  expect(warned.join('')).toMatch(/note: .*text\.txt has too few sentences/);
  expect(readFileSync(model, 'utf8')).toContain('ngram 3=8');

  const held = file('held.txt', 'THE CAT SAT\nthe bird sat');
  await lm('perplexity', model, held, '--language', 'en', '--json');
  const found = JSON.parse(said.at(-1)!);
  expect(found).toMatchObject({ order: 3, sentences: 2, tokens: 8, unknown: 1 });
  expect(found.perplexity).toBeCloseTo(10 ** (-found.logProbability / 8), 9);
  await lm('perplexity', model, held, '--language', 'en');
  expect(said.at(-1)).toMatch(
    /^perplexity \d+\.\d\d \(\d+\.\d\d without unknown words\) over 8 tokens; 16\.7 % .*; \d\.\d{3} a character$/,
  );
});

test('a folder with an ONNX model is measured, too, by the character as n-grams are', async () => {
  const folder = fileURLToPath(new URL('../language-model/golden/tiny-gpt2', import.meta.url));
  await lm('perplexity', folder, file('held.txt', 'the  water is\nzebra'), '--to', 'en', '--json');
  const found = JSON.parse(said.at(-1)!);
  expect(found).toMatchObject({ kind: 'causal', sentences: 2, tokens: 6, unknown: 0, characters: 19 });
  // Of the golden values: transformers' log probabilities of both sentences.
  const { texts } = JSON.parse(readFileSync(join(folder, 'scores.json'), 'utf8'));
  const whole = texts.filter(({ text }: { text: string }) => ['the water is', 'zebra'].includes(text));
  const total = whole.reduce((sum: number, { ended }: { ended: number }) => sum + ended, 0);
  expect(found.perplexityOfCharacters).toBeCloseTo(Math.exp(-total / 19), 3);
  // It reads what is written.
  await lm('perplexity', folder, file('held.txt', 'THE WATER IS\nzebra!'), '--to', 'en', '--json');
  const written = JSON.parse(said.at(-1)!);
  expect(written).toMatchObject({ sentences: 2, tokens: 6, characters: 19 });
  expect(written.logProbability).toBeLessThan(found.logProbability - 5);
});

test('help shows an example, for each', () => {
  for (const command of [lmCommands(), ...lmCommands().commands]) {
    let help = '';
    command.configureOutput({ writeOut: (out) => (help += out) }).outputHelp();
    expect(help).toMatch(/Examples?:\n {2}\$ whisper-transfer lm /);
  }
});

test.each([
  ['no text', ['train', 'none.txt', '--output', 'x', '--language', 'en'], /none\.txt/],
  [
    'no words',
    ['train', file('dots.txt', '...\n!\n'), '--output', 'x', '--language', 'en'],
    /dots\.txt: found no words/,
  ],
  [
    'an order too high',
    ['train', text, '--order', '9', '--output', 'x', '--language', 'en'],
    /order 9; expected 1 to 6/,
  ],
  ['no language', ['train', text, '--output', 'x'], /--to <code>/],
  [
    'an unknown language',
    ['train', text, '--output', 'x', '--language', 'xx'],
    /--to: found "xx"; expected a language/,
  ],
  [
    'a mistyped language',
    ['train', text, '--output', 'x', '--to', 'englsh'],
    /--to: found "englsh"; expected a language, .*; did you mean en \(English\)\?$/,
  ],
  ['no model', ['perplexity', text, text, '--language', 'en'], /text\.txt:1: found "The cat sat\."/],
  [
    'a folder that is not there',
    ['train', text, '--output', join(folder, 'no', 'x'), '--language', 'en'],
    /no.x: cannot/,
  ],
])('%s: one line, and nothing left behind', async (_, args, message) => {
  const before = readdirSync(folder);
  await expect(lm(...args)).rejects.toThrow(message);
  expect(readdirSync(folder)).toEqual(before);
});
