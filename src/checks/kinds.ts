/** What a check may find, with what was expected. */

export type Severity = 'error' | 'warning';

interface Kind {
  readonly severity: Severity;
  /** Heading of the findings, in the plural. */
  readonly heading: string;
  /** What was expected, where a finding does not say it. */
  readonly expected: string;
}

/**
 * Errors: the clip cannot be used, or a model that is trained or tested on it is misled; `--fix` drops its row. Warnings: often a
 * fault, sometimes how the corpus is; a person decides.
 */
export const KINDS = {
  row: { severity: 'error', heading: 'rows that cannot be read', expected: 'a row as the header says' },
  missing: { severity: 'error', heading: 'recordings that are missing', expected: 'a file' },
  unreadable: { severity: 'error', heading: 'recordings that cannot be read', expected: 'an audio file' },
  damaged: {
    severity: 'error',
    heading: 'recordings that are cut off or damaged',
    expected: 'a recording that is whole',
  },
  silent: { severity: 'error', heading: 'silent recordings', expected: 'speech' },
  'too-long': {
    severity: 'error',
    heading: 'clips that are too long',
    expected:
      "at most 30 s, Whisper's window: train leaves longer clips out, evaluate reads their first 30 s",
  },
  duration: {
    severity: 'error',
    heading: 'durations that are wrong',
    expected: 'the length of the recording: train and encode plan by it',
  },
  duplicate: {
    severity: 'error',
    heading: 'clips that stand twice',
    expected: 'each recording with its texts once: repeated ones count twice',
  },
  'recording-in-sets': {
    severity: 'error',
    heading: 'recordings that are trained on and tested',
    expected: 'a recording in one set',
  },
  'sentence-in-sets': {
    severity: 'error',
    heading: 'sentences that are trained on and tested',
    expected: 'a sentence in one set: a model may know it by heart',
  },
  'no-text': { severity: 'error', heading: 'rows without a text', expected: 'a text of letters' },
  script: {
    severity: 'error',
    heading: 'texts in another script',
    expected: 'letters of the language of the column',
  },
  untranslated: {
    severity: 'error',
    heading: 'texts that are not translated',
    expected: 'a translation: the text is the one in the other language',
  },
  mojibake: {
    severity: 'error',
    heading: 'texts with wrong or lost characters',
    expected: 'text in UTF-8',
  },
  language: {
    severity: 'warning',
    heading: 'texts in another language',
    expected: 'the language of the column',
  },
  ratio: {
    severity: 'warning',
    heading: 'translations that are far too short or too long',
    expected: 'a length in proportion, as the others of these languages have',
  },
  rate: {
    severity: 'warning',
    heading: 'speech that is too fast or too slow for its text',
    expected: 'about as many characters a second as the others of this language have',
  },
  'no-speech': {
    severity: 'warning',
    heading: 'recordings with sound in which nobody is heard speaking',
    expected: 'speech',
  },
  clipped: {
    severity: 'warning',
    heading: 'clipped recordings',
    expected: 'a level below full scale',
  },
  quiet: {
    severity: 'warning',
    heading: 'very quiet recordings',
    expected: 'speech above -50 dB of full scale',
  },
  'dc-offset': {
    severity: 'warning',
    heading: 'recordings with a DC offset',
    expected: 'samples around zero',
  },
  'too-short': { severity: 'warning', heading: 'very short clips', expected: 'at least 0.2 s' },
  'empty-column': {
    severity: 'warning',
    heading: 'texts that are empty where nearly all others are there',
    expected: 'a text as in the other rows',
  },
  markup: { severity: 'warning', heading: 'texts with markup', expected: 'what is said, without markup' },
  control: {
    severity: 'warning',
    heading: 'texts with control characters',
    expected: 'characters that are read',
  },
  'key-texts': {
    severity: 'warning',
    heading: 'keys with different texts',
    expected: 'one sentence a key, in each language',
  },
  'recording-texts': {
    severity: 'warning',
    heading: 'recordings with different texts',
    expected: 'the same text for the same recording',
  },
  'speaker-in-sets': {
    severity: 'warning',
    heading: 'speakers who are trained on and tested',
    expected: 'a speaker in one set, where scores are to hold for new speakers',
  },
} as const satisfies Record<string, Kind>;

export type FindingKind = keyof typeof KINDS;

/** Errors first. A kind's bit in the mask of a row is its place here. */
export const FINDING_KINDS = Object.keys(KINDS) as readonly FindingKind[];

export const kindOf = (kind: FindingKind): Kind => KINDS[kind];

export interface Finding {
  readonly kind: FindingKind;
  /** Number of the line in the manifest, from 1. */
  readonly line: number;
  readonly found: string;
  readonly expected: string;
}

/** Findings of a kind that are kept with their words; of further ones only their rows are known. */
export const LISTED = 10_000;
