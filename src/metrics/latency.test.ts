import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { LATENCY_MEASURES, type LatencyLine, latency, latencyUnits, parseLatencyLog } from './latency.ts';

interface Golden {
  readonly language: string;
  readonly lines: readonly LatencyLine[];
  readonly scores: Record<'unaware' | 'aware', Record<string, number>>;
}

const { sets } = JSON.parse(readFileSync(new URL('golden/latency.json', import.meta.url), 'utf8')) as {
  sets: Golden[];
};

for (const { language, lines, scores } of sets) {
  for (const times of ['unaware', 'aware'] as const) {
    test(`${language}, computation-${times}: as SimulEval and OmniSTEval`, () => {
      const found = latency(lines, { language })[times];
      const long = latency(lines, { language, longForm: true })[times];
      for (const name of LATENCY_MEASURES) expect(found[name], name).toBeCloseTo(scores[times][name]!, 6);
      expect(long.YAAL).toBeCloseTo(scores[times]['YAAL long']!, 6);
      expect(long.LAAL).toBe(found.LAAL);
    });
  }
}

test('who waits for the end has the whole length as lag, and none that YAAL counts', () => {
  const line = { ...sets[0]!.lines[1]!, delays: [2500, 2500, 2500] };
  const { unaware } = latency([line], { language: 'en' });
  expect(unaware.LAAL).toBe(2500);
  expect(unaware.YAAL).toBeNaN();
});

test('units are words, or characters where no spaces stand between words', () => {
  expect(latencyUnits(' Click  on it. ', 'fr')).toEqual(['Click', 'on', 'it.']);
  expect(latencyUnits('点击𠮷', 'zh')).toEqual(['点', '击', '𠮷']);
  expect(latencyUnits('', 'en')).toEqual([]);
});

test('a log is read line by line, and a line that is none is told by its number', () => {
  const text = sets[0]!.lines.map((line) => `${JSON.stringify(line)}\n`).join('');
  expect(parseLatencyLog(text, 'a.log')).toEqual(sets[0]!.lines);
  expect(() => parseLatencyLog(`${text}Click\n`, 'a.log')).toThrow('a.log, line 4: found no JSON object');
  const short = JSON.stringify({ ...sets[0]!.lines[0], elapsed: [1] });
  expect(() => parseLatencyLog(short, 'a.log')).toThrow('a.log, line 1: found 10 delays and 1 elapsed times');
});
