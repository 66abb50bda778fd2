import { afterEach, expect, test, vi } from 'vitest';
import { showWork } from './show-work.ts';

const written: string[] = [];
const stderr = vi.spyOn(process.stderr, 'write').mockImplementation((text) => written.push(String(text)) > 0);
afterEach(() => {
  written.length = 0;
  stderr.mockClear();
});

test('each stage ends with one line, also where its last event comes twice or another stage cuts it off', () => {
  const work = showWork();
  const at = (stage: string, done: number, total: number) => work.onProgress({ stage, done, total });
  at('encoding', 0, 2);
  at('encoding', 2, 2);
  at('encoding', 2, 2);
  at('comparing', 0, 9);
  at('comparing', 3, 9);
  at('encoding', 0, 1);
  work.end();
  expect(written.map((line) => line.replace(/ +in .*\n$/, ''))).toEqual([
    'encoding  2 of 2',
    'comparing  3 of 9',
    'encoding  0 of 1',
  ]);
});

test('Ctrl-C stops all work by one listener, however many stages a command has', () => {
  const before = process.listenerCount('SIGINT');
  const works = Array.from({ length: 20 }, (_, i) => showWork(`stage ${i} continues`));
  expect(process.listenerCount('SIGINT') - before).toBeLessThanOrEqual(1);
  process.emit('SIGINT');
  expect(works.map(({ signal }) => (signal.reason as Error)?.message)).toEqual(
    works.map((_, i) => `stopped; stage ${i} continues`),
  );
});

test('skipped clips and notes are lines on standard error', () => {
  const work = showWork();
  work.onSkip('a.wav: no audio');
  work.onNote('slow');
  expect(written).toEqual(['skipped: a.wav: no audio\n', 'note: slow\n']);
});
