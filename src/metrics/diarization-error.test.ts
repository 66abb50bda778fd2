/** Diarization errors against pyannote.metrics (scripts/golden/diarization.py), and RTTM files. */
import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { UserError } from '../errors.ts';
import { bestAssignment } from './assignment.ts';
import {
  type DiarizationErrorOptions,
  type DiarizationErrors,
  diarizationErrorRate,
  diarizationErrors,
  type Turn,
} from './diarization-error.ts';
import { formatRttm, parseRttm } from './rttm.ts';

interface Case {
  readonly reference: Turn[];
  readonly hypothesis: Turn[];
  readonly options: DiarizationErrorOptions;
  readonly errors: DiarizationErrors;
  readonly rate: number;
}
const golden: { versions: Record<string, string>; cases: Case[] } = JSON.parse(
  gunzipSync(readFileSync(new URL('./golden/diarization.json.gz', import.meta.url))).toString(),
);

test(`errors are those of pyannote.metrics ${golden.versions['pyannote.metrics']}`, () => {
  expect(golden.cases.length).toBeGreaterThan(50);
  for (const { reference, hypothesis, options, errors, rate } of golden.cases) {
    const found = diarizationErrors(reference, hypothesis, options);
    for (const name of ['total', 'missed', 'falseAlarm', 'confusion'] as const)
      expect(found[name], `${name} ${JSON.stringify(options)}`).toBeCloseTo(errors[name], 9);
    expect(diarizationErrorRate(found)).toBeCloseTo(rate, 9);
  }
});

describe('without speech', () => {
  const turn = { start: 1, end: 2, speaker: 'a' };
  test.each([
    ['nothing at all is no error', [], [], 0],
    ['what is invented is an error', [], [turn], 1],
    ['what is missed is an error', [turn], [], 1],
    ['a turn without duration counts as none', [turn, { ...turn, end: 1 }], [turn], 0],
  ])('%s', (_, reference, hypothesis, rate) => {
    expect(diarizationErrorRate(diarizationErrors(reference, hypothesis))).toBe(rate);
  });
});

test('each row gets the column that makes the sum greatest, as a search through all orders finds it', () => {
  const orders = (columns: number[]): number[][] =>
    columns.length === 0
      ? [[]]
      : columns.flatMap((column) =>
          orders(columns.filter((other) => other !== column)).map((rest) => [column, ...rest]),
        );
  let state = 7;
  const draw = () => (state = (state * 48_271) % 2_147_483_647) / 2_147_483_647;
  for (let round = 0; round < 30; round++) {
    const size = [1 + (round % 5), 1 + ((round * 3) % 5)] as const;
    const gains = Array.from({ length: size[0] }, () =>
      Array.from({ length: size[1] }, () => Math.round(9 * draw())),
    );
    const sum = (columns: readonly number[]) =>
      gains.reduce((total, row, i) => total + (row[columns[i]!] ?? 0), 0);
    const all = orders([...Array(Math.max(...size)).keys()]).map((order) => sum(order.slice(0, size[0])));
    const found = bestAssignment(gains);
    expect(sum(found)).toBe(Math.max(...all));
    const used = found.filter((column) => column >= 0);
    expect(new Set(used).size).toBe(Math.min(...size));
  }
  expect(bestAssignment([])).toEqual([]);
});

test('RTTM that was written is read again', () => {
  const turns = [{ start: 0.5, end: 2.25, speaker: 'anna' }];
  const text = `;; made by hand\nSPKR-INFO talk 1 <NA> <NA> <NA> unknown anna <NA> <NA>\n\n${formatRttm('a talk', turns)}`;
  expect(parseRttm(text, 'x.rttm')).toEqual(new Map([['a_talk', turns]]));
});

test.each([
  ['SPEAKER talk 1 0.5 x <NA> <NA> anna', 'x.rttm, line 1: found "SPEAKER talk 1 0.5 x'],
  ['SPEAKER talk 1 0.5 1', 'x.rttm, line 1'],
  ['Hello there.', 'x.rttm, line 1: found "Hello there."'],
  ['', 'x.rttm: found no SPEAKER line'],
])('no RTTM: "%s"', (text, message) => {
  expect(() => parseRttm(text, 'x.rttm')).toThrow(UserError);
  expect(() => parseRttm(text, 'x.rttm')).toThrow(message);
});
