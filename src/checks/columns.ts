import type { Clip } from '../data/clip.ts';

/** A text of a clip: its column, its language, the text. */
export type ColumnText = readonly [column: string, language: string, text: string];

/** The transcript, then the translations. */
export const textsOf = ({ language, text, translations }: Clip): ColumnText[] => [
  ['text', language, text],
  ...Object.entries(translations).map(([code, one]): ColumnText => [`text_${code}`, code, one]),
];
