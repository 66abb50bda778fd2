/** Texts as files, in the formats of the server. */
import { srtCues, VTT_HEAD, vttCues } from '../../../decoding/formats/subtitles.ts';
import type { Segment } from '../../../decoding/transcript.ts';
import { element } from './dom.ts';
import type { Piece } from './rows.ts';

export interface SavedText {
  /** The recording's name. */
  readonly name: string;
  /** As Whisper's code, where it is known. */
  readonly language: string | undefined;
  readonly pieces: readonly Piece[];
}

const TYPES = {
  txt: 'text/plain',
  srt: 'application/x-subrip',
  vtt: 'text/vtt',
  json: 'application/json',
} as const;
export type SaveFormat = keyof typeof TYPES;

export function formatted({ language, pieces }: SavedText, format: SaveFormat): string {
  // What subtitles need of a segment: they are laid out by segment, as the server does.
  const segments = pieces.map(({ start, end, text }) => ({ start, end, text }) as Segment);
  switch (format) {
    case 'txt':
      return pieces.map(({ text }) => `${text}\n`).join('');
    case 'srt':
      return srtCues({ segments }, {}).join('');
    case 'vtt':
      return VTT_HEAD + vttCues({ segments }, {});
    case 'json':
      return `${JSON.stringify({ language, segments: pieces }, null, 2)}\n`;
  }
}

export function save(text: SavedText, format: SaveFormat): void {
  const address = URL.createObjectURL(
    new Blob([formatted(text, format)], { type: `${TYPES[format]};charset=utf-8` }),
  );
  const stem = text.name.replace(/\.[^.]*$/, '');
  const language = text.language === undefined ? '' : `.${text.language}`;
  element('a', { href: address, download: `${stem}${language}.${format}` }).click();
  setTimeout(() => URL.revokeObjectURL(address), 10_000);
}
