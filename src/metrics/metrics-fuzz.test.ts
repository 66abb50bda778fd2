import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { beforeAll, describe, expect, test } from 'vitest';
import { normalizeEnglish } from '../language/english/normalize-english.ts';
import { normalizeBasic } from '../language/normalize-basic.ts';
import { trimEnd } from '../language/whitespace.ts';
import { below, sfc32 } from '../random.ts';
import {
  BLEU_SMOOTHINGS,
  type BleuSmoothing,
  bleuFromStatistics,
  bleuSignature,
  bleuStatistics,
  corpusBleu,
  sentenceBleu,
} from './bleu.ts';
import { corpusChrf, sentenceChrf } from './chrf.ts';
import { corpusTer } from './ter.ts';
import { RULE_TOKENIZERS, tokenizeForBleu } from './tokenizers.ts';
import { characterErrorRate, type ErrorRate, mixedErrorRate, wordErrorRate } from './word-error-rate.ts';

/** Made by scripts/golden/metrics.py with sacreBLEU 2.6.0, jiwer 4.0 and transformers. */
const golden = JSON.parse(
  gunzipSync(readFileSync(new URL('./golden/metrics-fuzz.json.gz', import.meta.url))).toString('utf8'),
);

interface Block {
  hypotheses: string[];
  references: [string[], string[]];
}

/** The 10,000 pairs, made as `fuzz` in scripts/golden/metrics.py makes them. */
function generate(): Block[] {
  const random = sfc32(golden.seed);
  const piece = () => golden.alphabet[below(golden.alphabet.length, random)] as string;
  const line = () => Array.from({ length: below(25, random) }, piece);
  const perturb = (pieces: string[]) => {
    if (below(8, random) === 0) return line();
    const out: string[] = [];
    for (const own of pieces) {
      const kind = below(12, random);
      if (kind === 0) continue;
      out.push(kind === 1 ? piece() : own);
      if (kind === 2) out.push(piece());
      if (kind === 3 && out.length > 1) out.unshift(out.pop()!);
    }
    return out;
  };
  return golden.blocks.map(() => {
    const pieces = Array.from({ length: golden.pairs }, line);
    const stream = () => pieces.map((own) => perturb(own).join(''));
    return { references: [stream(), stream()], hypotheses: pieces.map((own) => own.join('')) };
  });
}

const METRICS: Record<string, (h: string[], r: string[][]) => { score: number; signature: string }> = {
  'bleu 13a': (h, r) => corpusBleu(h, r),
  'bleu zh': (h, r) => corpusBleu(h, r, { tokenize: 'zh' }),
  'bleu char': (h, r) => corpusBleu(h, r, { tokenize: 'char' }),
  'bleu intl': (h, r) => corpusBleu(h, r, { tokenize: 'intl' }),
  'bleu none': (h, r) => corpusBleu(h, r, { tokenize: 'none' }),
  'bleu zh lc floor eff 2': (h, r) =>
    corpusBleu(h, r, { tokenize: 'zh', lowercase: true, smooth: 'floor', effectiveOrder: true }),
  'bleu 13a add-k 2': (h, r) => corpusBleu(h, r, { smooth: 'add-k', smoothValue: 0.5 }),
  'bleu intl none': (h, r) => corpusBleu(h, r, { tokenize: 'intl', smooth: 'none' }),
  'bleu zh 2': (h, r) => corpusBleu(h, r, { tokenize: 'zh' }),
  chrf: (h, r) => corpusChrf(h, r),
  'chrf lc': (h, r) => corpusChrf(h, r, { lowercase: true }),
  'chrf++': (h, r) => corpusChrf(h, r, { wordOrder: 2 }),
  'chrf++ lc': (h, r) => corpusChrf(h, r, { wordOrder: 2, lowercase: true }),
  'chrf space eps 2': (h, r) =>
    corpusChrf(h, r, { charOrder: 4, wordOrder: 1, beta: 1, whitespace: true, epsilonSmoothing: true }),
  'chrf++ 2': (h, r) => corpusChrf(h, r, { wordOrder: 2 }),
  ter: (h, r) => corpusTer(h, r),
  'ter norm asian 2': (h, r) => corpusTer(h, r, { normalized: true, asianSupport: true }),
  'ter norm case': (h, r) => corpusTer(h, r, { normalized: true, caseSensitive: true }),
  'ter nopunct': (h, r) => corpusTer(h, r, { noPunctuation: true }),
  'ter norm nopunct asian': (h, r) =>
    corpusTer(h, r, { normalized: true, noPunctuation: true, asianSupport: true }),
  'ter nopunct asian case': (h, r) =>
    corpusTer(h, r, { noPunctuation: true, asianSupport: true, caseSensitive: true }),
};

const digest = (lines: string[]) => createHash('sha256').update(lines.join('\n')).digest('hex').slice(0, 12);

describe('10,000 generated pairs, in blocks of 100', () => {
  let blocks: Block[];
  beforeAll(() => {
    blocks = generate();
  });

  test('these are all of the metrics that the golden file holds', () => {
    expect(golden.blocks.length * golden.pairs).toBe(10_000);
    const scored = Object.keys(golden.blocks[0].scores).filter((name) => !name.startsWith('sentence'));
    expect(Object.keys(METRICS).sort()).toEqual(scored.sort());
  });

  test.each(Object.entries(METRICS))('%s equals sacreBLEU', (name, metric) => {
    blocks.forEach(({ hypotheses, references }, i) => {
      const result = metric(hypotheses, name.endsWith(' 2') ? references : [references[0]]);
      expect(result.signature).toBe(golden.signatures[name]);
      expect(result.score, `block ${i}`).toBeCloseTo(golden.blocks[i].scores[name], 9);
    });
  });

  test('sentence scores equal sacreBLEU, so that no two errors cancel in a corpus', () => {
    blocks.forEach(({ hypotheses, references }, i) => {
      let bleu = 0;
      let chrf = 0;
      hypotheses.forEach((hypothesis, j) => {
        bleu += sentenceBleu(hypothesis, [references[0][j]!], { tokenize: 'zh' }).score;
        chrf += sentenceChrf(hypothesis, [references[0][j]!], { wordOrder: 2 }).score;
      });
      expect(bleu).toBeCloseTo(golden.blocks[i].scores['sentence bleu sum'], 8);
      expect(chrf).toBeCloseTo(golden.blocks[i].scores['sentence chrf++ sum'], 8);
    });
  });

  test.each(
    RULE_TOKENIZERS,
  )('every smoothing of sentence BLEU equals sacreBLEU, tokenizer %s', (tokenize) => {
    const names = Object.keys(golden.blocks[0].smoothed).filter((name) => name.startsWith(`${tokenize} `));
    const methods = names.map((name) => name.split(' ')[1]);
    expect(new Set(methods)).toEqual(new Set(BLEU_SMOOTHINGS));
    blocks.forEach(({ hypotheses, references }, i) => {
      const statistics = bleuStatistics(hypotheses, [references[0]], { tokenize });
      for (const name of names) {
        const [, smooth, value, effective] = name.split(' ') as [string, BleuSmoothing, string, string];
        const smoothValue = value === 'None' ? undefined : Number(value);
        const options = { tokenize, smooth, smoothValue, effectiveOrder: effective === 'True' };
        expect(bleuSignature(1, options)).toBe(golden.signatures[name]);
        const sum = statistics.reduce((total, row) => total + bleuFromStatistics(row, options).score, 0);
        expect(sum, `${name}, block ${i}`).toBeCloseTo(golden.blocks[i].smoothed[name], 8);
      }
    });
  });

  test.each(RULE_TOKENIZERS)('tokenizer %s splits every line as sacreBLEU', (tokenizer) => {
    blocks.forEach(({ hypotheses }, i) => {
      const lines = hypotheses.map((line) => tokenizeForBleu(trimEnd(line), tokenizer).join(' '));
      expect(digest(lines), `block ${i}`).toBe(golden.blocks[i].tokens[tokenizer]);
    });
  });

  test.each([
    ['basic', (text: string) => normalizeBasic(text)],
    ['basic diacritics', (text: string) => normalizeBasic(text, { removeDiacritics: true })],
    ['english', normalizeEnglish],
  ])("Whisper's %s normaliser gives every line as transformers", (name, normalize) => {
    blocks.forEach(({ hypotheses }, i) => {
      expect(digest(hypotheses.map(normalize)), `block ${i}`).toBe(golden.blocks[i].tokens[name]);
    });
  });

  test.each([
    ['wer', wordErrorRate],
    ['cer', characterErrorRate],
    ['mixed', mixedErrorRate],
  ] as [string, (h: string[], r: string[]) => ErrorRate][])('%s counts the errors of jiwer', (name, rate) => {
    blocks.forEach(({ hypotheses, references }, i) => {
      const { substitutions, deletions, insertions, hits } = rate(hypotheses, references[0]);
      expect([substitutions, deletions, insertions, hits], `block ${i}`).toEqual(golden.blocks[i][name]);
    });
  });
});
