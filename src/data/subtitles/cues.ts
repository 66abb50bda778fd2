/** Subtitles and annotations: texts with times. */
import { extname } from 'node:path';
import { UserError } from '../../errors.ts';
import { readAnyText } from '../../files/any-encoding.ts';
import { readElan } from './elan.ts';
import { readSrt } from './srt.ts';
import { readTextGrid } from './textgrid.ts';
import { readVtt } from './vtt.ts';

export interface Cue {
  /** In the file, from 1. */
  readonly number: number;
  /** Seconds. */
  readonly start: number;
  readonly end: number;
  /** As the file has it. */
  readonly text: string;
}

export interface Cues {
  readonly cues: readonly Cue[];
  /** What cannot be used, a line each. */
  readonly problems: readonly string[];
}

/** What a reader of a format gives: the cues of a tier, or of a file without tiers. */
export interface TierCues extends Cues {
  /** '' in formats without tiers. */
  readonly tier: string;
}

/** Days of subtitles have 10 MB. */
const MAX_BYTES = 2 ** 26;
const EXPECTED = 'subtitles or an annotation: SRT, WebVTT, TextGrid or ELAN (.eaf)';

/**
 * Reads a file of subtitles or an annotation; which, its content says.
 * @param tier of a TextGrid or ELAN file; needed where there are several with texts
 * @param onNote gets the encoding, where it is a guess
 * @throws UserError naming the file, what was found and what was expected
 */
export async function readCues(
  file: string,
  tier: string | undefined,
  onNote?: (note: string) => void,
): Promise<Cues> {
  const { text, encoding } = await readAnyText(file, EXPECTED, MAX_BYTES);
  if (encoding.startsWith('Latin')) onNote?.(`${file}: is not UTF-8; read as ${encoding}`);
  const tiers = tiersOf(file, text);
  const named = tiers.filter(({ tier: name }) => name !== '');
  if (tier !== undefined && named.length > 0) {
    const found = named.find(({ tier: name }) => name === tier);
    if (found) return found;
    throw new UserError(`${file}: found no tier ${JSON.stringify(tier)}; expected one of ${namesOf(named)}`);
  }
  const filled = tiers.filter(({ cues, problems }) => cues.length + problems.length > 0);
  if (filled.length > 1) {
    throw new UserError(
      `${file}: found ${filled.length} tiers; expected --tier with one of ${namesOf(filled)}`,
    );
  }
  if (filled[0]) return filled[0];
  throw new UserError(`${file}: found no texts with times; expected ${EXPECTED}`);
}

const namesOf = (tiers: readonly TierCues[]): string =>
  tiers.map(({ tier, cues }) => `${JSON.stringify(tier)} (${cues.length})`).join(', ');

function tiersOf(file: string, text: string): readonly TierCues[] {
  if (/^WEBVTT(?:[ \t\n]|$)/.test(text)) return [{ tier: '', ...readVtt(text) }];
  if (/^\s*(?:File type = )?"ooTextFile/.test(text)) return readTextGrid(file, text);
  if (text.startsWith('ooBinaryFile')) {
    throw new UserError(`${file}: found a binary TextGrid; expected one that Praat saved as text`);
  }
  if (/^\s*(?:<\?xml|<ANNOTATION_DOCUMENT)/.test(text)) return readElan(file, text);
  if (text.includes('-->')) return [{ tier: '', ...readSrt(text) }];
  const kind = extname(file).toLowerCase();
  const start = JSON.stringify(text.trimStart().slice(0, 24));
  throw new UserError(
    `${file}: found ${text.trim() === '' ? 'no text' : `${start}…`}${kind && ` in a ${kind}`}; expected ${EXPECTED}`,
  );
}
