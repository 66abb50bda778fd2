/**
 * SubRip. Own code: the libraries on npm drop what is wrong with a cue without a word, or stop at the first.
 */
import type { Cue, Cues } from './cues.ts';
import { timesOf } from './times.ts';

/** @param text with lines that end in `\n` */
export function readSrt(text: string): Cues {
  const lines = text.split('\n');
  const cues: Cue[] = [];
  const problems: string[] = [];
  /** Lines with times. Text goes on to the next of them: blank lines stand within cues, too. */
  const places: number[] = [];
  for (let i = 0; i < lines.length; i++) if (lines[i]!.includes('-->')) places.push(i);
  /** Whether a line is the number above a line with times. */
  const isNumber = (place: number) =>
    /^\s*\d+\s*$/.test(lines[place - 1] ?? '') && (lines[place - 2] ?? '').trim() === '';
  const before = lines.slice(0, (places[0] ?? 0) - (isNumber(places[0] ?? 0) ? 1 : 0));
  if (before.some((line) => line.trim() !== '')) problems.push('text before the first cue, left out');
  for (const [i, place] of places.entries()) {
    const number = i + 1;
    const next = places[i + 1] ?? lines.length;
    const end = next < lines.length && isNumber(next) ? next - 1 : next;
    const times = timesOf(lines[place]!);
    if (typeof times === 'string') {
      problems.push(`cue ${number}: ${times}; left out`);
      continue;
    }
    const content = lines.slice(place + 1, end).filter((line) => line.trim() !== '');
    cues.push({ number, ...times, text: content.join('\n') });
  }
  return { cues, problems };
}
