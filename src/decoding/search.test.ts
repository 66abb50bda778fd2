/** Searches on small tables of probabilities, where the right answer can be worked out. */
import { expect, test } from 'vitest';
import { RepetitionControl } from './repetition.ts';
import {
  BeamSearch,
  type Candidates,
  emptyText,
  GreedySearch,
  SamplingSearch,
  type Search,
} from './search.ts';

const END = 9;
const limits = { endOfText: END, maxTokens: 10 };

/** What comes after a text, by its tokens joined; unknown texts end. */
type Table = Record<string, Record<number, number>>;

function candidatesAfter(table: Table, tokens: readonly number[], count: number): Candidates {
  // A vocabulary is large: there is always something else, however unlikely.
  const others = Object.fromEntries(Array.from({ length: 8 }, (_, i) => [20 + i, 1e-9 / (i + 1)]));
  const known: Record<string, number> = { ...others, ...(table[tokens.join('')] ?? { [END]: 1 }) };
  const next = Object.entries(known).sort((a, b) => b[1] - a[1]);
  return {
    tokens: next.slice(0, count).map(([token]) => Number(token)),
    logProbabilities: next.slice(0, count).map(([, p]) => Math.log(p)),
    allowedLogMass: 0,
  };
}

function run(search: Search, table: Table): string[] {
  while (!search.done) {
    const moves = search.advance(
      search.live.map(({ tokens }) => candidatesAfter(table, tokens, search.candidates)),
    );
    if (moves.length === 0) break;
    expect(moves.length).toBe(search.width);
  }
  return search.results().map(({ hypothesis }) => hypothesis.tokens.join(''));
}

// Greedy takes 1 (0.5) and ends up with 0.5 · 0.4; beam search finds 2 then 3: 0.4 · 0.9.
const garden: Table = {
  '': { 1: 0.5, 2: 0.4, 3: 0.1 },
  '1': { 4: 0.4, 5: 0.35, 6: 0.25 },
  '2': { 3: 0.9, 4: 0.1 },
  '3': { 1: 0.5, 2: 0.5 },
};

test('greedy search takes the likeliest token at each step', () => {
  expect(run(new GreedySearch(limits, false), garden)).toEqual(['14']);
});

test('beam search finds the likelier text behind a less likely beginning', () => {
  const search = new BeamSearch(limits, { beams: 2, patience: 1, lengthPenalty: 1, earlyStopping: false });
  expect(run(search, garden)[0]).toBe('23');
  // 0.4 · 0.9 over three tokens, the end among them.
  expect(search.results()[0]!.score).toBeCloseTo(Math.log(0.4 * 0.9) / 3, 6);
});

test('patience keeps more texts', () => {
  const texts = (patience: number) =>
    run(new BeamSearch(limits, { beams: 2, patience, lengthPenalty: 1, earlyStopping: false }), garden);
  expect(texts(1).length).toBe(2);
  expect(texts(2).length).toBe(4);
  expect(texts(2)[0]).toBe('23');
});

test('a text said twice has the better mean; early stopping does not get that far', () => {
  // After 12 the end is likely, but not sure; what is said again is sure.
  const again: Table = {
    '': { 1: 0.9, 3: 0.1 },
    '1': { 2: 0.9, 3: 0.01 },
    '12': { [END]: 0.4, 1: 0.6 },
    '121': { 2: 1 },
    '1212': { [END]: 0.9, 1: 0.1 },
  };
  const best = (earlyStopping: boolean) =>
    run(new BeamSearch(limits, { beams: 2, patience: 1, lengthPenalty: 1, earlyStopping }), again)[0];
  expect(best(false)).toBe('1212');
  expect(best(true)).toBe('12');
});

test('a length penalty of 0 prefers short texts', () => {
  const table: Table = { '': { [END]: 0.4, 1: 0.6 }, '1': { 2: 0.6, 3: 0.4 }, '12': { [END]: 1 } };
  const best = (lengthPenalty: number) =>
    run(new BeamSearch(limits, { beams: 2, patience: 1, lengthPenalty, earlyStopping: false }), table)[0];
  expect(best(0)).toBe('');
  expect(best(1)).toBe('12');
});

test('a text that does not end is cut off at the limit, and says so', () => {
  const endless: Table = Object.fromEntries(
    ['', '1', '11', '111', '1111'].map((text) => [text, { 1: 0.9, 2: 0.01 }]),
  );
  for (const search of [
    new GreedySearch({ ...limits, maxTokens: 3 }, false),
    new BeamSearch(
      { ...limits, maxTokens: 3 },
      { beams: 2, patience: 1, lengthPenalty: 1, earlyStopping: false },
    ),
  ]) {
    expect(run(search, endless)[0]).toBe('111');
    expect(search.results()[0]!.hypothesis.finished).toBe(false);
  }
});

test('a loop is stopped with stopLoops', () => {
  const loop: Table = Object.fromEntries(Array.from({ length: 12 }, (_, n) => ['1'.repeat(n), { 1: 1 }]));
  expect(run(new GreedySearch(limits, true), loop)).toEqual(['11111']);
});

test('sampling draws by probability: a low temperature nearly always takes the likeliest', () => {
  let state = 0;
  const next = () => (state = (state + 0.618034) % 1);
  expect(run(new SamplingSearch(limits, 3, 0.01, next), garden)).toEqual(['14', '14', '14']);
  expect(new Set(run(new SamplingSearch(limits, 40, 1, next), garden)).size).toBeGreaterThan(2);
});

test('no n-gram comes twice; tokens that came before become less likely', () => {
  const text = { ...emptyText, tokens: [1, 2, 3, 1, 2] };
  const candidates = { tokens: [3, 4, 1], logProbabilities: [-0.1, -1.5, -1], allowedLogMass: 0 };
  expect(new RepetitionControl(3, 1).apply(text, candidates).tokens).toEqual([1, 4]);
  const penalised = new RepetitionControl(0, 20).apply(text, candidates);
  expect(penalised.tokens).toEqual([4, 3, 1]);
  expect(penalised.logProbabilities).toEqual([-1.5, -2, -20]);
});
