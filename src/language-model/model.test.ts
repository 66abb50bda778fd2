import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { afterAll, expect, test } from 'vitest';
import { readArpa } from './arpa-read.ts';
import { perplexity } from './perplexity.ts';

/** Made by scripts/golden/kenlm_values.py with KenLM's Python package. */
const golden = JSON.parse(
  gunzipSync(readFileSync(new URL('./golden/kenlm-scores.json.gz', import.meta.url))).toString('utf8'),
) as { models: { name: string; arpa: string; sentences: string[][]; scores: number[][] }[] };

const folder = mkdtempSync(join(tmpdir(), 'language-model-'));
afterAll(() => rmSync(folder, { recursive: true }));

async function modelOf(arpa: string) {
  const file = join(folder, 'model.arpa');
  writeFileSync(file, arpa);
  return readArpa(file);
}

test.each(golden.models)('$name: every word scores as by KenLM', async ({ arpa, sentences, scores }) => {
  const model = await modelOf(arpa);
  let largest = 0;
  for (const [i, words] of sentences.entries()) {
    const found = model.sentence(words);
    expect(found.length).toBe(scores[i]!.length);
    for (const [j, value] of found.entries()) largest = Math.max(largest, Math.abs(value - scores[i]![j]!));
  }
  expect(largest).toBeLessThan(1e-4);
  expect(sentences.length).toBeGreaterThan(100);
});

test('perplexity is that of the single scores; unknown words are counted', async () => {
  const { arpa, sentences, scores } = golden.models.find(({ name }) => name === 'pruned by lmplz')!;
  const model = await modelOf(arpa);
  const found = perplexity(model, sentences);
  const all = scores.flat();
  const sum = all.reduce((total, value) => total + value, 0);
  expect(found.perplexity / 10 ** (-sum / all.length)).toBeCloseTo(1, 4);
  expect(found).toMatchObject({ sentences: sentences.length, tokens: all.length });
  expect(found.unknown).toBe(sentences.flat().filter((word) => !model.has(word)).length);
  expect(found.unknown).toBeGreaterThan(20);
  expect(found.perplexityOfKnown).toBeLessThan(found.perplexity);
});

test('scores are natural logarithms, states may be used again, and equal states score alike', async () => {
  const { arpa, sentences } = golden.models[0]!;
  const model = await modelOf(arpa);
  const words = sentences.find(({ length }) => length > 3)!;
  const walk = () => {
    let [state, total] = [model.start(), 0];
    for (const word of words) {
      const scored = model.score(state, word);
      [state, total] = [scored.state, total + scored.logProbability];
    }
    return { state, total: total + model.end(state) };
  };
  const log10 = model.sentence(words).reduce((sum, value) => sum + value, 0);
  expect(walk().total).toBeCloseTo(log10 * Math.LN10, 9);
  expect(walk()).toEqual(walk());

  // "e" is no context and has a back-off in the model, "d e" is neither: what came before "e" no longer matters.
  const after = (...context: string[]) =>
    context.reduce((state, word) => model.score(state, word).state, model.start());
  expect(after('a', 'd', 'e')).toBe(after('e'));
  expect(after('d', 'a')).not.toBe(after('b', 'a'));
});
