/** Transcripts as files: the text, JSON, subtitles and a table, as OpenAI's whisper writes them. */
import { dirname, join, parse, relative, resolve, sep } from 'node:path';
import { pathForResults } from '../../audio/audio-reference.ts';
import { type AudioSource, audioName } from '../../audio/audio-source.ts';
import { UserError } from '../../errors.ts';
import { writeWhole } from '../../files/write-whole.ts';
import { formatRttm } from '../../metrics/rttm.ts';
import type { Segment, Transcript } from '../transcript.ts';
import {
  milliseconds,
  type SubtitleOptions,
  speakerLabel,
  srtCues,
  toSrt,
  toVtt,
  VTT_HEAD,
  vttCues,
} from './subtitles.ts';

export const TRANSCRIPT_FORMATS = ['txt', 'json', 'jsonl', 'srt', 'vtt', 'tsv', 'rttm'] as const;
export type TranscriptFormat = (typeof TRANSCRIPT_FORMATS)[number];

/** The content of the file. @throws Error when a time is negative or not a number: that is a bug of ours. */
export function formatTranscript(
  transcript: Transcript<AudioSource>,
  format: TranscriptFormat,
  options: SubtitleOptions = {},
): string {
  for (const { start, end, words = [] } of transcript.segments) {
    for (const seconds of [start, end, ...words.flatMap((word) => [word.start, word.end])])
      milliseconds(seconds);
  }
  if (format !== 'json' && format !== 'jsonl')
    transcript = { ...transcript, segments: transcript.segments.map(withChannel) };
  switch (format) {
    case 'txt':
      return transcript.segments.map(txtLine).join('');
    case 'json':
      return `${JSON.stringify(transcript, null, 2)}\n`;
    case 'jsonl':
      return `${JSON.stringify(transcript)}\n`;
    case 'srt':
      return toSrt(transcript, options);
    case 'vtt':
      return toVtt(transcript, options);
    case 'tsv':
      return toTsv(transcript);
    case 'rttm':
      return toRttm(transcript);
  }
}

/** With the channel before the text, where channels are transcribed apart. */
export function withChannel(segment: Segment): Segment {
  // Speakers are counted over all channels.
  if (segment.channel === undefined || segment.speaker !== undefined) return segment;
  const label = (text: string): string => ` Channel ${segment.channel}: ${text.trimStart()}`;
  const [first, ...rest] = segment.words ?? [];
  return {
    ...segment,
    text: label(segment.text),
    ...(first && { words: [{ ...first, text: label(first.text) }, ...rest] }),
  };
}

const txtLine = ({ text, speaker }: Segment): string =>
  `${speaker === undefined ? '' : speakerLabel(speaker)}${oneLine(text)}\n`;

/**
 * NIST's table of who speaks when, for tools that score it.
 * @throws UserError where speakers were not asked for
 */
function toRttm({ audio, turns }: Transcript<AudioSource>): string {
  if (!turns)
    throw new UserError(`${audioName(audio)}: found no speakers; expected --speakers with --format rttm`);
  const named = turns.map(({ speaker, ...turn }) => ({ ...turn, speaker: `speaker${speaker}` }));
  return formatRttm(parse(audioName(audio)).name, named);
}

const TSV_HEAD = 'start\tend\ttext\n';

/** Columns start and end in whole milliseconds, and text. */
const toTsv = ({ segments }: Transcript<AudioSource>): string => TSV_HEAD + segments.map(tsvRow).join('');

const tsvRow = (segment: Segment): string =>
  `${milliseconds(segment.start)}\t${milliseconds(segment.end)}\t${txtLine(segment)}`;

/** Formats segments one by one as they come: the pieces joined are `formatTranscript`'s. */
export interface SegmentFormatter {
  readonly head: string;
  readonly add: (segment: Segment) => string;
}

/** @returns undefined for JSON, and where subtitles flow from one segment into the next */
export function segmentFormatter(
  format: TranscriptFormat,
  options: SubtitleOptions = {},
): SegmentFormatter | undefined {
  if (options.maxLineWidth !== undefined && options.maxLineCount !== undefined) return undefined;
  let subtitles = 0;
  const rows: Partial<Record<TranscriptFormat, SegmentFormatter>> = {
    txt: { head: '', add: txtLine },
    tsv: { head: TSV_HEAD, add: tsvRow },
    vtt: { head: VTT_HEAD, add: (segment) => vttCues({ segments: [segment] }, options) },
    srt: {
      head: '',
      add: (segment) => {
        const cues = srtCues({ segments: [segment] }, options, subtitles);
        subtitles += cues.length;
        return cues.join('');
      },
    },
  };
  const row = rows[format];
  return row && { head: row.head, add: (segment) => row.add(withChannel(segment)) };
}

function oneLine(text: string): string {
  return text.trim().replace(/\s*[\r\n]\s*|\t/g, ' ');
}

/**
 * Unique paths without extension for the results of `audio` files in `directory`: by the file's name alone
 * (talk); where names repeat, all with the folders in which they differ (anna/talk, bert/talk); where that is not
 * enough, with the extension, too (talk.wav, talk.mp3).
 *
 * @throws UserError when two of the files are the same file.
 */
export function outputPaths(audio: readonly string[], directory: string): string[] {
  const files = audio.map((path) => resolve(pathForResults(path)));
  const seen = new Set<string>();
  const repeated = files.findIndex((file) => seen.size === seen.add(file).size);
  if (repeated >= 0) {
    throw new UserError(
      `${audio[repeated]}: found it twice; expected each file once, for a result of its own`,
    );
  }
  const folder = commonFolder(files);
  const withoutExtension = (path: string) => join(dirname(path), parse(path).name);
  const below = files.map((file) => relative(folder, file));
  const short = below.map((path) => parse(path).name);
  const long = below.map(withoutExtension);
  const names = [short, long].find(areDistinct) ?? below;
  return names.map((name) => join(directory, name));
}

/** Ignores case, as some file systems do. */
function areDistinct(names: readonly string[]): boolean {
  return new Set(names.map((name) => name.toLowerCase())).size === names.length;
}

function commonFolder(files: readonly string[]): string {
  let folder = dirname(files[0] ?? '.');
  for (const file of files) {
    while (folder !== dirname(folder) && !file.startsWith(folder + sep)) folder = dirname(folder);
  }
  return folder;
}

/**
 * Writes `${path}.${format}` for each format, with missing folders; completely or not at all, so that a stopped run leaves no
 * incomplete file.
 *
 * @throws UserError when the place cannot be written to.
 */
export async function writeTranscript(
  transcript: Transcript<AudioSource>,
  path: string,
  formats: readonly TranscriptFormat[],
  options: SubtitleOptions = {},
): Promise<void> {
  for (const format of formats) {
    await writeWhole(`${path}.${format}`, formatTranscript(transcript, format, options));
  }
}
