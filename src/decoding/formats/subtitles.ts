/** Transcripts as subtitles: SubRip (.srt) and WebVTT (.vtt). */
import type { AudioSource } from '../../audio/audio-source.ts';
import type { Segment, Transcript, Word } from '../transcript.ts';

/**
 * Layout of words; only where every segment has words. With both limits words flow from one segment into
 * the next subtitle; otherwise each segment begins a subtitle of its own.
 */
export interface SubtitleOptions {
  /** Longest line, characters; a longer word stands alone. */
  readonly maxLineWidth?: number;
  /** Largest number of lines of a subtitle. */
  readonly maxLineCount?: number;
  /** Underlines each word while it is spoken. */
  readonly highlightWords?: boolean;
}

/** A pause after which words that flow begin a new subtitle, in seconds. */
const LONG_PAUSE = 3;

interface Cue {
  readonly start: string;
  readonly end: string;
  readonly text: string;
}

/**
 * SubRip: numbered, times as 00:00:01,500. Laid out as OpenAI's whisper does it, but for `-->` among words, which is
 * made `->` here, too, and for empty lines, which would end the subtitle.
 */
export const toSrt = (transcript: Transcript<AudioSource>, options: SubtitleOptions = {}): string =>
  srtCues(transcript, options).join('');

/** @param before number of subtitles before these */
export function srtCues(
  transcript: Pick<Transcript, 'segments'>,
  options: SubtitleOptions,
  before = 0,
): string[] {
  const time = (seconds: number) => formatTime(seconds, ',', true);
  return [...cues(transcript, options, time, (text) => text, speakerLabel)].map(
    ({ start, end, text }, i) => `${before + i + 1}\n${start} --> ${end}\n${text}\n\n`,
  );
}

/** WebVTT: times as 00:01.500, with hours where there are any. Like `toSrt`; `&` and `<` are escaped. */
export const toVtt = (transcript: Transcript<AudioSource>, options: SubtitleOptions = {}): string =>
  VTT_HEAD + vttCues(transcript, options);

export const VTT_HEAD = 'WEBVTT\n\n';

export function vttCues(transcript: Pick<Transcript, 'segments'>, options: SubtitleOptions): string {
  const time = (seconds: number) => formatTime(seconds, '.', false);
  const escaped = (text: string) => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;');
  return [...cues(transcript, options, time, escaped, (speaker) => `<v Speaker ${speaker}>`)]
    .map(({ start, end, text }) => `${start} --> ${end}\n${text}\n\n`)
    .join('');
}

/** What stands before the text of a speaker, but in WebVTT, which has a tag for it. */
export const speakerLabel = (speaker: number): string => `Speaker ${speaker}: `;

/** @throws Error when a time cannot be one: that is a bug of ours. */
export function milliseconds(seconds: number): number {
  if (!(seconds >= 0 && seconds < Number.POSITIVE_INFINITY)) {
    throw new Error(`internal: ${seconds} s is no time in a recording`);
  }
  return Math.round(seconds * 1000);
}

export function formatTime(seconds: number, decimalMark: string, alwaysHours: boolean): string {
  const total = milliseconds(seconds);
  const hours = Math.floor(total / 3_600_000);
  const two = (value: number) => String(Math.floor(value)).padStart(2, '0');
  const rest = `${two((total / 60_000) % 60)}:${two((total / 1000) % 60)}`;
  const fraction = String(total % 1000).padStart(3, '0');
  return `${alwaysHours || hours > 0 ? `${two(hours)}:` : ''}${rest}${decimalMark}${fraction}`;
}

function* cues(
  { segments }: Pick<Transcript, 'segments'>,
  options: SubtitleOptions,
  time: (seconds: number) => string,
  escaped: (text: string) => string,
  labelOf: (speaker: number) => string,
): Generator<Cue> {
  const cue = (start: string, end: string, text: string, speaker: number | undefined): Cue => ({
    start,
    end,
    text: (speaker === undefined ? '' : labelOf(speaker)) + cueText(text),
  });
  if (!segments.every(hasWords)) {
    for (const { start, end, text, speaker } of segments)
      yield cue(time(start), time(end), escaped(text), speaker);
    return;
  }
  for (const words of subtitlesOfWords(segments, options)) {
    const texts = words.map(({ text }) => escaped(text));
    const { speaker } = words[0]!;
    const end = time(words.at(-1)!.end);
    let shownUntil = time(words[0]!.start);
    if (!options.highlightWords) {
      yield cue(shownUntil, end, texts.join(''), speaker);
      continue;
    }
    for (const [i, word] of words.entries()) {
      const [from, to] = [time(word.start), time(word.end)];
      if (from !== shownUntil) yield cue(shownUntil, from, texts.join(''), speaker);
      const underlined = texts[i]!.replace(/^(\s*)(.*)$/, '$1<u>$2</u>');
      yield cue(from, to, texts.with(i, underlined).join(''), speaker);
      shownUntil = to;
    }
  }
}

/** An arrow would be read as a time line, an empty line as the end. */
function cueText(text: string): string {
  return text
    .trim()
    .replaceAll('-->', '->')
    .replace(/\s*[\r\n]\s*/g, '\n');
}

function hasWords(segment: Segment): segment is Segment & { words: readonly Word[] } {
  return segment.words !== undefined;
}

/** The words of one subtitle after the other; where a line begins, the word's text begins with a line break. */
function* subtitlesOfWords(
  segments: readonly (Segment & { words: readonly Word[] })[],
  { maxLineWidth, maxLineCount }: SubtitleOptions,
): Generator<Word[]> {
  const flowing = maxLineWidth !== undefined && maxLineCount !== undefined;
  let subtitle: Word[] = [];
  let lines = 1;
  let width = 0;
  let previousStart = segments.flatMap(({ words }) => words.slice(0, 1))[0]?.start ?? 0;
  for (const { words } of segments) {
    for (const [i, word] of words.entries()) {
      const wordWidth = characters(word.text);
      const pause = flowing && word.start - previousStart > LONG_PAUSE;
      // Words of two speakers share no subtitle.
      const other = subtitle.length > 0 && subtitle.at(-1)!.speaker !== word.speaker;
      const newSegment = (!flowing && i === 0 && subtitle.length > 0) || other;
      previousStart = word.start;
      const fits = width + wordWidth <= (maxLineWidth ?? Number.POSITIVE_INFINITY);
      if (width > 0 && fits && !pause && !newSegment) {
        width += wordWidth;
        subtitle.push(word);
        continue;
      }
      const full = maxLineCount !== undefined && (pause || lines >= maxLineCount);
      const text = word.text.trim();
      let lineBreak = '';
      if (newSegment || (full && subtitle.length > 0)) {
        yield subtitle;
        subtitle = [];
        lines = 1;
      } else if (width > 0) {
        lines++;
        lineBreak = '\n';
      }
      width = characters(text);
      subtitle.push({ ...word, text: lineBreak + text });
    }
  }
  if (subtitle.length > 0) yield subtitle;
}

/** Code points, as in Python. */
function characters(text: string): number {
  return [...text].length;
}
