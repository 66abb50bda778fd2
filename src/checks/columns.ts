import type { Clip } from '../data/clip.ts';

/** Columns that name who speaks, in manifests of this and other tools. */
const SPEAKER_COLUMNS = ['speaker', 'client_id', 'speaker_id'];

/** Who speaks in a clip; undefined where no column names anybody. */
export const speakerOf = ({ other }: Clip): string | undefined =>
  SPEAKER_COLUMNS.map((column) => other[column]).find(Boolean);

/** A text of a clip: its column, its language, the text. */
export type ColumnText = readonly [column: string, language: string, text: string];

/** The transcript, then the translations. */
export const textsOf = ({ language, text, translations }: Clip): ColumnText[] => [
  ['text', language, text],
  ...Object.entries(translations).map(([code, one]): ColumnText => [`text_${code}`, code, one]),
];
