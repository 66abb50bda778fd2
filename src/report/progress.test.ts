import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { displayWidth } from './display-width.ts';
import { startProgress } from './progress.ts';

function fakeStream(isTTY: boolean, columns = 80) {
  const written: string[] = [];
  return { isTTY, columns, written, write: (text: string) => written.push(text) };
}

beforeEach(() => vi.useFakeTimers());
afterEach(() => vi.useRealTimers());

test('a terminal gets one rewriting line with share, rate and time left', () => {
  const stream = fakeStream(true);
  const progress = startProgress('train', 400, { stream });
  vi.advanceTimersByTime(10_000);
  progress.update(100, 'loss 2.31');
  progress.update(101); // too soon to be drawn
  expect(stream.written).toEqual(['\r\u001b[2Ktrain   25\u00a0%  100 of 400  10/s  30 s left  loss 2.31']);
  vi.advanceTimersByTime(55_000);
  progress.update(400);
  progress.done();
  progress.done();
  expect(stream.written.at(-1)).toBe('\r\u001b[2Ktrain  400 of 400  in 1 m 05 s\n');
  expect(stream.written.join('').match(/\n/g)).toHaveLength(1);
});

test('a log gets a line every ten seconds at most, and one at the end', () => {
  const stream = fakeStream(false);
  const progress = startProgress('encode', 100, { stream });
  for (let done = 1; done <= 100; done++) {
    vi.advanceTimersByTime(250);
    progress.update(done);
  }
  progress.done();
  expect(stream.written).toHaveLength(3);
  expect(stream.written.at(-1)).toBe('encode  100 of 100  in 25 s\n');
  // biome-ignore lint/suspicious/noControlCharactersInRegex: escape codes must not get into a log
  expect(stream.written.join('')).not.toMatch(/[\r\u001b]/);
});

test('a line never wraps, whatever the note holds', () => {
  const stream = fakeStream(true, 40);
  const progress = startProgress('翻译', 9, { stream });
  progress.update(3, `${'点击字母'.repeat(30)}\n\u001b[31m`);
  progress.done();
  for (const text of stream.written) {
    const line = text.replace('\r\u001b[2K', '').replace(/\n$/, '');
    expect(displayWidth(line)).toBeLessThan(40);
    expect(line).not.toMatch(/[\r\n]/);
  }
});

test('resumed work does not count in the rate', () => {
  const stream = fakeStream(true);
  const progress = startProgress('train', 300, { stream, from: 200 });
  vi.advanceTimersByTime(10_000);
  progress.update(210);
  expect(stream.written[0]).toContain('1.0/s  1 m 30 s left');
});

test('an unknown or empty total shows no share', () => {
  for (const total of [Number.NaN, 0, Number.POSITIVE_INFINITY]) {
    const stream = fakeStream(true);
    const progress = startProgress('read', total, { stream });
    progress.update(12);
    progress.done();
    expect(stream.written.join('')).not.toMatch(/%|NaN|Infinity|left|of/);
  }
});

test('quiet says nothing', () => {
  const stream = fakeStream(true);
  const progress = startProgress('train', 4, { stream, quiet: true });
  progress.update(4);
  progress.done();
  expect(stream.written).toEqual([]);
});
