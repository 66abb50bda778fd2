/** RTTM, NIST's table of who speaks when: one line a turn. */
import { UserError } from '../errors.ts';
import type { Turn } from './diarization-error.ts';

const EXPECTED = 'a line such as "SPEAKER talk 1 12.3 4.5 <NA> <NA> anna <NA> <NA>"';

/**
 * The turns of each recording, by its name, in the order of the file. Lines of other types, comments (`;;`) and empty lines
 * are passed over.
 * @throws UserError for a SPEAKER line without name, times and speaker, and where there is none
 */
export function parseRttm(text: string, file: string): Map<string, Turn[]> {
  const recordings = new Map<string, Turn[]>();
  for (const [i, line] of text
    .replace(/^\uFEFF/, '')
    .split('\n')
    .entries()) {
    const [type, recording, , start, duration, , , speaker] = line.trim().split(/\s+/);
    if (type !== 'SPEAKER') {
      if (type === '' || type!.startsWith(';') || /^[A-Z_-]+$/.test(type!)) continue;
      throw new UserError(
        `${file}, line ${i + 1}: found "${line.trim().slice(0, 60)}"; expected ${EXPECTED}`,
      );
    }
    const [begin, seconds] = [Number(start), Number(duration)];
    if (speaker === undefined || !(begin >= 0) || !(seconds >= 0) || !Number.isFinite(begin + seconds))
      throw new UserError(
        `${file}, line ${i + 1}: found "${line.trim().slice(0, 60)}"; expected ${EXPECTED}`,
      );
    const turns = recordings.get(recording!) ?? [];
    recordings.set(recording!, turns);
    turns.push({ start: begin, end: begin + seconds, speaker });
  }
  if (recordings.size === 0) throw new UserError(`${file}: found no SPEAKER line; expected ${EXPECTED}`);
  return recordings;
}

/** Turns of a recording, a line each; white space in names becomes "_". */
export function formatRttm(recording: string, turns: readonly Turn[]): string {
  const name = (text: string): string => text.trim().replace(/\s+/g, '_') || '_';
  return turns
    .map(({ start, end, speaker }) => {
      const times = `${start.toFixed(3)} ${(end - start).toFixed(3)}`;
      return `SPEAKER ${name(recording)} 1 ${times} <NA> <NA> ${name(speaker)} <NA> <NA>\n`;
    })
    .join('');
}
