/** Prompts: of tasks, of trained models, and what a user puts before them. */
import { readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { writeTinyModel } from '../testing/tiny-model.ts';
import { WhisperModel } from '../whisper/model.ts';
import { generationFields, trainedPrompt } from '../whisper/prompts.ts';
import { choosePrompt, MAX_CONTEXT_TOKENS, type PromptChoice } from './prompt-choice.ts';

let folder: string;
let model: WhisperModel;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'prompt-'));
  await writeTinyModel(folder);
  model = await WhisperModel.load(folder);
});
afterAll(async () => {
  await model?.close();
  await rm(folder, { recursive: true });
});

const written = (
  choice: PromptChoice & { task?: 'transcribe' | 'translate'; to?: string },
  language = 'fr',
  probabilities?: ReadonlyMap<string, number>,
) => {
  const ids = choosePrompt(model, { task: 'transcribe', ...choice }, (note) => notes.push(note)).of(
    language,
    probabilities,
  );
  return model.tokens.decodeEach(ids).join('');
};
const notes: string[] = [];

test('the prompt of a task names the language that is spoken', () => {
  expect(written({})).toBe('<|startoftranscript|><|fr|><|transcribe|><|notimestamps|>');
  expect(written({ task: 'translate' })).toBe('<|startoftranscript|><|fr|><|translate|><|notimestamps|>');
});

test('a language that the model was not trained for gives a prompt all the same, with a note', () => {
  expect(written({ task: 'translate', to: 'de' })).toBe(
    '<|startoftranscript|><|de|><|transcribe|><|notimestamps|>',
  );
  expect(notes.splice(0)).toEqual(['this model was not trained to translate into "de": expect little of it']);
  Object.assign(
    model.settings.generationConfig,
    generationFields(model.tokens, { target: 'de', kind: 'target-translate' }),
  );
  expect(written({ task: 'translate' })).toBe('<|startoftranscript|><|de|><|translate|><|notimestamps|>');
  expect(notes).toEqual([]);
});

test('plain text comes before the prompt, as if it had been said; what is too long loses its beginning', () => {
  expect(written({ prompt: ' Qwst and Orsted. ' })).toBe(
    '<|startofprev|> Qwst and Orsted.<|startoftranscript|><|fr|><|transcribe|><|notimestamps|>',
  );
  const long = choosePrompt(model, { task: 'transcribe', prompt: 'so '.repeat(500) }).of('fr');
  expect(long.length).toBe(1 + MAX_CONTEXT_TOKENS + 4);
});

test('previous text has the tokens and the place that transformers gives it', () => {
  const { prompts } = JSON.parse(readFileSync(new URL('./golden/prompts.json', import.meta.url), 'utf8')) as {
    prompts: { text: string; language: string; task: 'transcribe' | 'translate'; ids: number[] }[];
  };
  expect(prompts.length).toBeGreaterThan(60);
  for (const { text, language, task, ids } of prompts) {
    expect(choosePrompt(model, { task, prompt: text, to: 'en' }).of(language), text).toEqual(ids);
  }
});

test('a prompt with special tokens is the whole prompt', () => {
  expect(written({ prompt: '<|zh|><|translate|>' })).toBe(
    '<|startoftranscript|><|zh|><|translate|><|notimestamps|>',
  );
});

test('previous text stands before the start of the transcript, however the tokens around it are written', () => {
  const usual = '<|startofprev|> Tux, GCompris<|startoftranscript|><|fr|><|transcribe|><|notimestamps|>';
  for (const prompt of [
    'Tux, GCompris',
    '<|startofprev|> Tux, GCompris',
    '<|startofprev|>Tux, GCompris <|fr|><|transcribe|>',
    'Tux, GCompris<|startoftranscript|><|fr|><|transcribe|>',
    '<|startofprev|> Tux, GCompris<|startoftranscript|><|fr|><|transcribe|><|notimestamps|>',
  ]) {
    expect(written({ prompt })).toBe(usual);
  }
  const ids = choosePrompt(model, {
    task: 'transcribe',
    prompt: `<|startofprev|>${' so'.repeat(446)}<|fr|>`,
  }).of('fr');
  expect(ids.length).toBe(1 + MAX_CONTEXT_TOKENS + 3);
  expect(model.tokens.decodeEach(ids.slice(-3))).toEqual([
    '<|startoftranscript|>',
    '<|fr|>',
    '<|notimestamps|>',
  ]);
});

test('words after the tokens of the prompt begin the transcript; too many are refused', () => {
  expect(written({ prompt: '<|fr|><|transcribe|> Guide' })).toBe(
    '<|startoftranscript|><|fr|><|transcribe|><|notimestamps|> Guide',
  );
  expect(() => written({ prompt: `<|fr|><|transcribe|>${' so'.repeat(300)}` })).toThrow(
    '--prompt: found 304 tokens from the start of the transcript on; expected at most 224',
  );
});

test('code-switched speech has both languages in its prompt, or only where the likeliest one is in doubt', () => {
  const mixed = '<|startoftranscript|><|zh|><|en|><|transcribe|><|notimestamps|>';
  expect(written({ codeSwitched: ['zh', 'en'] })).toBe(mixed);
  const choice = { codeSwitched: ['zh', 'en'], codeSwitchedBelow: 0.9 };
  expect(written(choice, 'zh', new Map([['zh', 0.8]]))).toBe(mixed);
  expect(written(choice, 'zh', new Map([['zh', 0.95]]))).not.toBe(mixed);
  // A language that was given is not in doubt.
  expect(written(choice, 'zh')).toBe('<|startoftranscript|><|zh|><|transcribe|><|notimestamps|>');
  expect(() => written({ codeSwitchedBelow: 0.9 })).toThrow(/expected the code-switched languages/);
});

test('a generation config may name its language by code, token or name, as tutorials do', () => {
  for (const language of ['hindi', 'Hindi', 'hi', '<|hi|>']) {
    expect(trainedPrompt({ language, task: 'transcribe' })).toEqual({
      target: 'hi',
      kind: 'target-transcribe',
    });
  }
  for (const [language, target] of [
    ['chinese', 'zh'],
    ['burmese', 'my'],
    ['Haitian', 'ht'],
  ]) {
    expect(trainedPrompt({ language, task: 'translate' })).toEqual({ target, kind: 'target-translate' });
  }
});
