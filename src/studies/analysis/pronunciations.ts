/**
 * Pronunciations from a user's dictionary: lines of a word, a tab, and its phonemes in IPA, as in ipa-dict
 * ("chat⇥/ʃa/, /tʃat/") and WikiPron ("chat⇥ʃ a", a line for each pronunciation).
 */
import { UserError } from '../../errors.ts';
import { readText } from '../../files/read.ts';

/** Pronunciations by word in lower case, in letters of `broad`. */
export type Pronunciations = ReadonlyMap<string, readonly string[]>;

/** Sounds that languages distinguish, or transcribers write, in different ways. */
const ONE_LETTER: Readonly<Record<string, string>> = {
  ...Object.fromEntries([...'ɹɾʁʀɻɽ'].map((r) => [r, 'r'])),
  ...Object.fromEntries([...'ɫɭʎ'].map((l) => [l, 'l'])),
  ...Object.fromEntries([...'ɑɐʌæɒ'].map((a) => [a, 'a'])),
  ...Object.fromEntries([...'ɛœø'].map((e) => [e, 'e'])),
  ...Object.fromEntries([...'ɜɝɚɘɵ'].map((schwa) => [schwa, 'ə'])),
  ...{ ɪ: 'i', ɨ: 'i', ʏ: 'y', ʊ: 'u', ɯ: 'u', ɔ: 'o', ɤ: 'o' },
  ...{
    ɡ: 'g',
    ɣ: 'g',
    β: 'b',
    χ: 'x',
    ħ: 'h',
    ɦ: 'h',
    ɱ: 'm',
    ɳ: 'n',
    ɲ: 'n',
    ʋ: 'v',
    ɕ: 'ʃ',
    ʂ: 'ʃ',
    ʑ: 'ʒ',
    ʐ: 'ʒ',
  },
};

/** Phonemes without stress, length, tone and accents, a letter each. */
export function broad(ipa: string): string {
  const letters = [...ipa.normalize('NFD')].filter(
    (letter) => /\p{L}/u.test(letter) && !/\p{Lm}/u.test(letter),
  );
  return letters.map((letter) => ONE_LETTER[letter] ?? letter).join('');
}

/** Reads a dictionary. @throws UserError where the file cannot be read, or a line has another format */
export async function readPronunciations(file: string): Promise<Pronunciations> {
  const text = await readText(file, 'lines of a word, a tab, and its phonemes');
  const found = new Map<string, string[]>();
  for (const [i, line] of text.split(/\r?\n/).entries()) {
    if (line.trim() === '') continue;
    const [word = '', ipa = ''] = line.normalize('NFC').split('\t');
    const ways = ipa.split(',').map(broad).filter(Boolean);
    if (word.trim() === '' || ways.length === 0) {
      throw new UserError(
        `${file}:${i + 1}: found ${JSON.stringify(line.slice(0, 60))}; expected a word, a tab, and its phonemes in IPA`,
      );
    }
    const key = word.trim().toLowerCase();
    found.set(key, [...(found.get(key) ?? []), ...ways]);
  }
  if (found.size === 0)
    throw new UserError(`${file}: found no word; expected lines of a word, a tab, and its phonemes`);
  return found;
}
