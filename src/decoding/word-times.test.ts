/**
 * Word times against those of OpenAI's whisper with the same weights (scripts/golden/word_times.py). That program fills a
 * window up with zeros in the log-mel, where we, as transformers, fill it up with silence: some texts differ.
 */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { beforeAll, expect, test } from 'vitest';
import { baseModel } from '../testing/base-model.ts';
import type { WhisperModel } from '../whisper/model.ts';
import { transcribeFiles } from './transcribe-files.ts';
import type { Word } from './transcript.ts';

interface Golden {
  readonly audio: string;
  readonly language: string;
  readonly segments: readonly { readonly words: readonly (readonly [string, number, number])[] }[];
}

const golden: Golden[] = readFileSync(new URL('./golden/word-times.jsonl', import.meta.url), 'utf8')
  .trim()
  .split('\n')
  .slice(1)
  .map((line) => JSON.parse(line));

let model: WhisperModel;
beforeAll(async () => {
  model = await baseModel();
});

/** Distances, in seconds, of each boundary from the reference's, in clips where both read the same words. */
async function distances(language: string, window: 'full' | 'fit') {
  const rows = golden.filter((row) => row.language === language);
  const files = rows.map(({ audio }) => ({
    audio: fileURLToPath(new URL(`../../samples/${audio}`, import.meta.url)),
    language,
  }));
  const found: number[] = [];
  let same = 0;
  let i = 0;
  for await (const result of transcribeFiles(model, files, {
    window,
    words: true,
  })) {
    if ('error' in result) throw new Error(result.error);
    const ours = result.segments.flatMap(({ words }) => words as Word[]);
    const theirs = rows[i++]!.segments.flatMap(({ words }) => words);
    if (ours.map(({ text }) => text).join('') !== theirs.map(([text]) => text).join('')) continue;
    same++;
    ours.forEach(({ start, end }, k) =>
      found.push(Math.abs(start - theirs[k]![1]), Math.abs(end - theirs[k]![2])),
    );
  }
  return { found, same };
}

test.each([
  ['en', 'full', 10],
  ['en', 'fit', 10],
  ['fr', 'full', 5],
] as const)('%s, %s window: words begin and end where OpenAI’s whisper has them', async (language, window, texts) => {
  const { found, same } = await distances(language, window);
  expect(same).toBeGreaterThanOrEqual(texts);
  const within = (seconds: number) => found.filter((d) => d <= seconds + 1e-6).length / found.length;
  expect(within(0.02)).toBeGreaterThan(0.93);
  expect(within(0.1)).toBeGreaterThan(0.97);
});
