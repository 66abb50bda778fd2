import { createHash } from 'node:crypto';
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gunzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { trimEnd } from '../language/whitespace.ts';
import { below, sfc32 } from '../random.ts';
import { corpusBleu } from './bleu.ts';
import { corpusChrf } from './chrf.ts';
import { BLEU_TOKENIZERS, type BleuTokenizer, loadBleuTokenizer, tokenizeForBleu } from './tokenizers.ts';

/** Made by scripts/golden/model_tokenizers.py with sacreBLEU 2.6.0, SentencePiece 0.2.1 and MeCab with IPADIC. */
const golden = JSON.parse(
  gunzipSync(readFileSync(new URL('./golden/model-tokenizers.json.gz', import.meta.url))).toString('utf8'),
);
const MODEL = fileURLToPath(new URL('./golden/small.spm.model', import.meta.url));

interface Sentences {
  lines: string[];
  scores: Record<string, number>;
  tokens: Record<BleuTokenizer, string>;
}
const languages = Object.entries(golden.languages as Record<string, Sentences>);

const digest = (lines: string[]) => createHash('sha256').update(lines.join('\n')).digest('hex').slice(0, 12);
const split = (line: string, tokenizer: BleuTokenizer) => tokenizeForBleu(trimEnd(line), tokenizer).join(' ');

let folder: string;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'sacrebleu-'));
  vi.stubEnv('SACREBLEU', folder);
  mkdirSync(join(folder, 'models'));
  copyFileSync(MODEL, join(folder, 'models', 'flores200sacrebleuspm'));
  await Promise.all([
    loadBleuTokenizer('flores101', MODEL),
    loadBleuTokenizer('flores200'),
    loadBleuTokenizer('ja-mecab'),
  ]);
});
afterAll(() => {
  vi.unstubAllEnvs();
  rmSync(folder, { recursive: true });
});

describe.each(BLEU_TOKENIZERS)('tokenizer %s', (tokenizer) => {
  test('splits 3,020 sentences in 112 languages as sacreBLEU', () => {
    expect(languages.length).toBe(112);
    expect(languages.reduce((sum, [, { lines }]) => sum + lines.length, 0)).toBe(3020);
    for (const [language, { lines, tokens }] of languages) {
      expect(digest(lines.map((line) => split(line, tokenizer))), language).toBe(tokens[tokenizer]);
    }
  });

  test('splits 4,000 odd lines as sacreBLEU', () => {
    const random = sfc32(golden.seed);
    const piece = () => golden.alphabet[below(golden.alphabet.length, random)] as string;
    const line = () => Array.from({ length: below(25, random) }, piece).join('');
    expect(golden.generated.length * golden.block).toBe(4000);
    golden.generated.forEach((tokens: Record<BleuTokenizer, string>, i: number) => {
      const lines = Array.from({ length: golden.block }, line);
      expect(digest(lines.map((text) => split(text, tokenizer))), `block ${i}`).toBe(tokens[tokenizer]);
    });
  });

  test('gives BLEU and the signature of sacreBLEU in each language', () => {
    for (const [language, { lines, scores }] of languages) {
      const result = corpusBleu(system(lines), [lines], { tokenize: tokenizer });
      expect(result.score, language).toBeCloseTo(scores[`bleu ${tokenizer}`]!, 9);
      expect(result.signature).toBe(golden.signatures[`bleu ${tokenizer}`]);
    }
  });
});

test('800 Japanese sentences have the words that MeCab finds with IPADIC', () => {
  const { lines, words } = golden.languages.jpn;
  expect(lines.length).toBe(800);
  expect(lines.map((line: string) => split(line, 'ja-mecab'))).toEqual(words);
});

test.each([0, 2])('chrF with words up to order %i equals sacreBLEU in each language', (wordOrder) => {
  const name = wordOrder === 0 ? 'chrf' : 'chrf++';
  for (const [language, { lines, scores }] of languages) {
    const result = corpusChrf(system(lines), [lines], { wordOrder });
    expect(result.score, language).toBeCloseTo(scores[name]!, 9);
    expect(result.signature).toBe(golden.signatures[name]);
  }
});

test('lines with a zero, without text or of 100,000 bytes are split too', () => {
  expect(tokenizeForBleu('山\0田', 'ja-mecab')).toEqual(['山']); // as MeCab's own interface, which takes C strings
  expect(tokenizeForBleu('', 'ja-mecab')).toEqual([]);
  expect(tokenizeForBleu('', 'flores200')).toEqual([]);
  expect(tokenizeForBleu('! '.repeat(50_000), 'ja-mecab').length).toBe(50_000);
  expect(tokenizeForBleu('! '.repeat(50_000), 'flores200').length).toBeGreaterThanOrEqual(50_000);
});

test('a missing or wrong model is one clear line', async () => {
  const wrong = join(folder, 'wrong.model');
  writeFileSync(wrong, 'not a model');
  await expect(loadBleuTokenizer('flores200', wrong)).rejects.toThrow(`${wrong}: not a SentencePiece model.`);
  await expect(loadBleuTokenizer('flores200', join(folder, 'no'))).rejects.toThrow('no such file');
  await expect(loadBleuTokenizer('zh', MODEL)).rejects.toThrow('goes with tokenizer flores101 or flores200');
  vi.stubEnv('SACREBLEU', join(folder, 'empty'));
  await expect(loadBleuTokenizer('flores101')).rejects.toThrow(
    /sacrebleu_tokenizer_spm.model, where sacreBLEU keeps it; give another place with --spm-model/,
  );
});

/** An output with errors that both sides can make, as `system` in scripts/golden/model_tokenizers.py. */
function system(references: string[]): string[] {
  return references.map((line, i) => {
    if (i % 5 === 1) return references[(i + 1) % references.length]!;
    return i % 3 === 0 ? Array.from(line).slice(0, -3).join('') : line;
  });
}
