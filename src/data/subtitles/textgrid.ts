/**
 * TextGrid files of Praat, long or short. Praat itself reads any text of them as a list of free-standing numbers, texts in
 * quotation marks and flags (Praat's manual, "TextGrid file formats"), and so does this. Own code: there is no kept library.
 */
import { UserError } from '../../errors.ts';
import type { Cue, TierCues } from './cues.ts';

const TOKEN = /(?<=^|\s)(?:"((?:[^"]|"")*)"|<(\w+)>|([-+]?\d+(?:\.\d*)?(?:[eE][-+]?\d+)?))(?=\s|$)/g;
const MOST_TIERS = 1000;

/** @throws UserError where it is cut off, or holds something else */
export function readTextGrid(file: string, text: string): TierCues[] {
  const tokens = text.matchAll(TOKEN);
  const broken = (what: string) => new UserError(`${file}: found ${what}; expected a TextGrid of Praat`);
  const next = (): RegExpExecArray => {
    const { value, done } = tokens.next();
    if (done) throw broken('a TextGrid that is cut off');
    return value;
  };
  const string = (): string => {
    const [token, content] = next();
    if (content === undefined) throw broken(`${JSON.stringify(token.slice(0, 40))} where a text stands`);
    return content.replaceAll('""', '"');
  };
  const number = (): number => {
    const [token, , , digits] = next();
    if (digits === undefined) throw broken(`${JSON.stringify(token.slice(0, 40))} where a number stands`);
    return Number(digits);
  };
  string();
  const object = string();
  if (object !== 'TextGrid') throw broken(`an object of class ${JSON.stringify(object.slice(0, 40))}`);
  number();
  number();
  if (next()[2] !== 'exists') return [];
  const count = number();
  if (count > MOST_TIERS) throw broken(`${count} tiers`);
  const tiers: TierCues[] = [];
  for (let i = 0; i < count; i++) {
    const kind = string();
    const tier = string();
    number();
    number();
    const intervals = number();
    const cues: Cue[] = [];
    const problems: string[] = [];
    for (let interval = 1; interval <= intervals; interval++) {
      if (kind === 'IntervalTier') {
        const [start, end, content] = [number(), number(), string()];
        if (content.trim() !== '') cues.push({ number: interval, start, end, text: content });
      } else {
        // Points have no length.
        number();
        string();
      }
    }
    if (kind !== 'IntervalTier' && intervals > 0)
      problems.push(`tier ${JSON.stringify(tier)} has points, not intervals; left out`);
    tiers.push({ tier, cues, problems });
  }
  return tiers.filter(({ cues, problems }) => cues.length > 0 || problems.length === 0);
}
