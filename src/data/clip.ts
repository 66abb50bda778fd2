/** A clip of speech: one row of a manifest. */
import { unknownLanguage } from '../language/names.ts';
import { isLanguage, languageProfile, sameLanguage } from '../language/profile.ts';
import { COLUMN_NAMES } from './column-names.ts';

/** One recording of a manifest. Texts are as the file has them; a column that is not there reads as ''. */
export interface Clip {
  /** Absolute path; the manifest's is relative to the manifest. '' in training from text alone. */
  readonly audio: string;
  /** Recordings that are played right after it, as one clip (data.mergeSeconds). */
  readonly following?: readonly string[];
  /** Column `lang`: the language spoken, as Whisper's code ('en') or, where it has none, an ISO 639 code. */
  readonly language: string;
  /** Column `set`: train, dev, test, or a name of the corpus's own. */
  readonly set: string;
  /** Column `key`: the same for every recording of the same sentence, in any language. */
  readonly key: string;
  /** Column `text`: what is said, in the language spoken. */
  readonly text: string;
  /** Columns `text_de`, `text_zh` …: the same sentence in other languages, by code, without empty texts. */
  readonly translations: Readonly<Record<string, string>>;
  /** Column `duration_s`, in seconds; NaN where the manifest lacks it. */
  readonly duration: number;
  /** Other columns. */
  readonly other: Readonly<Record<string, string>>;
}

/**
 * The sentence of a clip as it is written in a language: a translation or, in the language spoken, the transcript;
 * '' where the manifest has neither. A close variant is used where there is no other: `text_zh` for zh-Hant, see
 * {@link sameLanguage}.
 */
export function referenceIn({ translations, language, text }: Clip, target: string): string {
  const exact = translations[languageProfile(target).code];
  if (exact !== undefined) return exact;
  const near = Object.keys(translations).find((code) => sameLanguage(code, target));
  if (near !== undefined) return translations[near]!;
  return sameLanguage(language, target) ? text : '';
}

/** Who speaks in a clip; undefined where no column names anybody. */
export function speakerOf({ other }: Clip): string | undefined {
  for (const name of COLUMN_NAMES.speaker) if (other[name]) return other[name];
  return undefined;
}

/** Languages that some of the clips have a translation in, other than the one spoken; sorted. */
export function writtenLanguages(clips: readonly Clip[]): string[] {
  const codes = clips.flatMap(({ translations, language }) =>
    Object.keys(translations).filter((code) => !sameLanguage(code, language)),
  );
  return [...new Set(codes)].sort();
}

/** Message for a manifest whose target language is not given. */
export function unnamedTarget(manifests: string, clips: readonly Clip[]): string {
  return `--to: found nothing; expected the language to translate into; ${manifests} has ${columnsOf(clips)}`;
}

/** Message for a manifest without a text in the target language, or for a target that is none. */
export function missingReference(manifest: string, clips: readonly Clip[], target: string): string {
  if (!isLanguage(target)) return unknownLanguage(target, '--to: ').message;
  const { code } = languageProfile(target);
  return `${manifest}: found no text in "${code}" (column text_${code}) of these clips; it has ${columnsOf(clips)}`;
}

function columnsOf(clips: readonly Clip[]): string {
  const names = writtenLanguages(clips).map((code) => `text_${code}`);
  return names.length === 0
    ? 'no translations'
    : `the column${names.length > 1 ? 's' : ''} ${names.join(', ')}`;
}
