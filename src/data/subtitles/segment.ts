/** Cuts a long recording into clips by its subtitles, in one language or several: sentences, as far as cues show them. */
import { languageProfile } from '../../language/profile.ts';
import { cleanCue } from './clean.ts';
import type { Cue, Cues } from './cues.ts';
import { endsSentence } from './sentences.ts';

export interface SubtitlesIn extends Cues {
  /** Name in messages. */
  readonly file: string;
  readonly language: string;
}

export interface SegmentOptions {
  /** Language spoken. */
  readonly language: string;
  /** Of a clip, seconds. */
  readonly max: number;
  /** Of the recording, seconds. */
  readonly duration: number;
}

export interface SegmentClip {
  readonly start: number;
  readonly end: number;
  /** By language; none is empty. */
  readonly texts: ReadonlyMap<string, string>;
}

export interface Segmented {
  readonly clips: readonly SegmentClip[];
  /** What was left out or changed, a line each, with the cue's number. */
  readonly problems: readonly string[];
  /** Sound notes that were left out, by their text. */
  readonly soundNotes: ReadonlyMap<string, number>;
  /** Cues that were read, and those of them that are in a clip. */
  readonly cues: number;
  readonly used: number;
  /** Clips that end within a sentence, which would be longer than `max`. */
  readonly cut: number;
}

/** Silence that no sentence spans. */
const LONG_GAP = 2;
/** Subtitles of two languages do not change in the same frame. */
const TOLERANCE = 0.5;
/** An overlap that is none: times are rounded. */
const ROUNDING = 0.1;

/** Of the cues of a text with full stops more end a sentence. */
const FEW_ENDS = 0.2;

/** A cue whose text is clean. */
interface CleanCue extends Cue {
  readonly language: string;
}

/** Seconds as one reads them in a message. */
const at = (seconds: number): string => Number(seconds.toFixed(3)).toString();

/**
 * @param files the first is that by whose cues clips begin and end: the language spoken, where there is one in it
 */
export function segmentRecording(files: readonly SubtitlesIn[], options: SegmentOptions): Segmented {
  const problems: string[] = [];
  const soundNotes = new Map<string, number>();
  let cues = 0;
  const tracks = files.map((one) => {
    for (const problem of one.problems) problems.push(`${one.file}: ${problem}`);
    cues += one.cues.length + one.problems.length;
    return usableCues(one, options, problems, soundNotes);
  });
  const [first = [], ...others] = tracks;
  let used = 0;
  let cut = 0;
  const clips: SegmentClip[] = [];
  for (const group of groupsOf(first, others, options)) {
    const start = group.cues[0]!.start;
    const end = group.cues.reduce((latest, cue) => Math.max(latest, cue.end), 0);
    const name = `${files[0]!.file}: cue ${group.cues[0]!.number}`;
    if (end - start > options.max) {
      const through = group.cues.length === 1 ? '' : ` to ${group.cues.at(-1)!.number}, which overlap`;
      problems.push(
        `${name}${through}: found ${at(end - start)} s; expected at most ${options.max} s; left out`,
      );
      continue;
    }
    if (group.isCut) cut++;
    used += group.cues.length;
    const texts = new Map([[files[0]!.language, joined(group.cues)]]);
    clips.push({ start, end, texts });
  }
  for (const [i, track] of others.entries()) {
    const { file, language } = files[i + 1]!;
    used += alignTrack(track, clips, file, language, problems);
  }
  return { clips, problems, soundNotes, cues, used, cut };
}

/** Those with a text and times that can be, in order. */
function usableCues(
  { file, language, cues }: SubtitlesIn,
  { duration }: SegmentOptions,
  problems: string[],
  soundNotes: Map<string, number>,
): CleanCue[] {
  const usable: CleanCue[] = [];
  let before: Cue | undefined;
  let isSorted = true;
  for (const cue of cues) {
    const { number, start } = cue;
    let { end } = cue;
    const problem = (found: string, done: string) =>
      problems.push(`${file}: cue ${number}: found ${found}; ${done}`);
    const { text, notes } = cleanCue(cue.text);
    for (const note of notes) soundNotes.set(note, (soundNotes.get(note) ?? 0) + 1);
    if (text === '') continue;
    if (start < 0) {
      problem(`a beginning at ${at(start)} s`, 'left out');
      continue;
    }
    if (!(end > start)) {
      problem(
        `an end at ${at(end)} s, ${end === start ? 'its beginning' : `before its beginning at ${at(start)} s`}`,
        'left out',
      );
      continue;
    }
    if (start >= duration) {
      problem(`a beginning at ${at(start)} s, in a recording of ${at(duration)} s`, 'left out');
      continue;
    }
    if (end > duration) {
      if (end > duration + TOLERANCE)
        problem(`an end at ${at(end)} s, in a recording of ${at(duration)} s`, 'ends with it');
      end = duration;
    }
    if (before && start < before.start) {
      problem(
        `a beginning at ${at(start)} s, before that of cue ${before.number} at ${at(before.start)} s`,
        'put in order',
      );
      isSorted = false;
    } else if (before && start < before.end - ROUNDING) {
      problem(
        `a beginning at ${at(start)} s, before the end of cue ${before.number} at ${at(before.end)} s`,
        'joined with it',
      );
    }
    before = cue;
    usable.push({ number, start, end, text, language });
  }
  return isSorted ? usable : usable.sort((a, b) => a.start - b.start);
}

interface Group {
  readonly cues: readonly CleanCue[];
  /** Whether it ends where no sentence does, for its length. */
  readonly isCut: boolean;
}

/** Cues up to the end of a sentence in every language, or to the last place before `max`. */
function* groupsOf(
  cues: readonly CleanCue[],
  others: readonly (readonly CleanCue[])[],
  { max }: SegmentOptions,
): Generator<Group> {
  const cursors = others.map((track) => new TrackCursor(track));
  let from = 0;
  let latest = 0;
  /** The last places at which the group may end: after a sentence of the first language; between cues of all. */
  let best: { readonly to: number; readonly rank: number } | undefined;
  for (let i = 0; i < cues.length; i++) {
    latest = Math.max(i === from ? 0 : latest, cues[i]!.end);
    const next = cues[i + 1];
    // What overlaps cannot be parted.
    const overlaps = next !== undefined && next.start < latest - ROUNDING;
    if (overlaps) continue;
    const ends = !next || endsSentence(cues[i]!.text, next.text, cues[i]!.language);
    const gap = next ? next.start - latest : Number.POSITIVE_INFINITY;
    const between = cursors.map((cursor) => cursor.cutAt(latest, next?.start ?? Number.POSITIVE_INFINITY));
    const isClear = between.every(({ isClear }) => isClear);
    const isSentence = ends && between.every(({ isSentence }) => isSentence);
    if (gap > LONG_GAP || (isSentence && isClear)) {
      yield { cues: cues.slice(from, i + 1), isCut: false };
      from = i + 1;
      best = undefined;
      continue;
    }
    const rank = Number(isClear) * 2 + Number(ends);
    if (!best || rank >= best.rank) best = { to: i, rank };
    // The end of the next that cannot be parted.
    let end = next!.end;
    for (let k = i + 2; k < cues.length && cues[k]!.start < end - ROUNDING; k++)
      end = Math.max(end, cues[k]!.end);
    if (end - cues[from]!.start <= max) continue;
    yield { cues: cues.slice(from, best.to + 1), isCut: !(best.rank & 1) };
    from = best.to + 1;
    // Goes on after that place.
    i = best.to;
    best = undefined;
  }
  if (from < cues.length) yield { cues: cues.slice(from), isCut: false };
}

/** Looks at the cues of another language at places in their order. */
class TrackCursor {
  #at = 0;
  readonly #track: readonly CleanCue[];

  /** Subtitles in Chinese or Japanese often have no full stops. */
  readonly #isPunctuated: boolean;

  constructor(track: readonly CleanCue[]) {
    this.#track = track;
    const ends = track.filter(({ text, language }) => endsSentence(text, '', language));
    this.#isPunctuated = ends.length > track.length * FEW_ENDS;
  }

  /** Whether a clip may end between two times: no cue lies across, and a sentence ends before. */
  cutAt(end: number, next: number): { readonly isClear: boolean; readonly isSentence: boolean } {
    const track = this.#track;
    const middle = Math.min((end + next) / 2, end + TOLERANCE);
    const isBefore = (cue: CleanCue) => (cue.start + cue.end) / 2 < middle;
    while (this.#at > 0 && !isBefore(track[this.#at - 1]!)) this.#at--;
    while (this.#at < track.length && isBefore(track[this.#at]!)) this.#at++;
    const [before, after] = [track[this.#at - 1], track[this.#at]];
    const isClear = (!before || before.end <= next + TOLERANCE) && (!after || after.start >= end - TOLERANCE);
    const isSentence =
      !this.#isPunctuated || !before || !after || endsSentence(before.text, after.text, before.language);
    return { isClear, isSentence };
  }
}

/**
 * Gives the clips the texts of another language: each cue to the clip in which most of it lies. A cue that lies across two
 * clips is in none, and neither has the rest of its text: half a sentence would be a wrong translation.
 * @returns cues that are in a clip
 */
function alignTrack(
  track: readonly CleanCue[],
  clips: readonly SegmentClip[],
  file: string,
  language: string,
  problems: string[],
): number {
  const inClip = new Map<SegmentClip, CleanCue[]>();
  const spoilt = new Set<SegmentClip>();
  let first = 0;
  for (const cue of track) {
    while (first < clips.length && clips[first]!.end <= cue.start) first++;
    const overlaps: { clip: SegmentClip; seconds: number }[] = [];
    for (let i = first; i < clips.length && clips[i]!.start < cue.end; i++) {
      const clip = clips[i]!;
      const seconds = Math.min(clip.end, cue.end) - Math.max(clip.start, cue.start);
      if (seconds > 0) overlaps.push({ clip, seconds });
    }
    overlaps.sort((a, b) => b.seconds - a.seconds);
    const [most, second] = overlaps;
    const length = cue.end - cue.start;
    if (!most || most.seconds < length / 2) {
      problems.push(
        `${file}: cue ${cue.number}: found no clip at ${at(cue.start)} to ${at(cue.end)} s that most of it lies in; left out`,
      );
      for (const { clip, seconds } of overlaps) if (seconds > TOLERANCE) spoilt.add(clip);
      continue;
    }
    if (second && second.seconds > TOLERANCE) {
      problems.push(
        `${file}: cue ${cue.number}: lies across the clips at ${at(most.clip.start)} and ${at(second.clip.start)} s; ` +
          `left out with their other texts in ${language}`,
      );
      spoilt.add(most.clip).add(second.clip);
      continue;
    }
    const found = inClip.get(most.clip);
    if (found) found.push(cue);
    else inClip.set(most.clip, [cue]);
  }
  let used = 0;
  for (const [clip, cues] of inClip) {
    if (spoilt.has(clip)) continue;
    used += cues.length;
    (clip.texts as Map<string, string>).set(language, joined(cues));
  }
  return used;
}

/** Of languages without blanks there is none between lines either. */
function joined(cues: readonly CleanCue[]): string {
  const separator = languageProfile(cues[0]!.language).spaces ? ' ' : '';
  return (
    cues
      .map(({ text }) => text)
      .join(separator)
      // An ellipsis at both sides of a cut says that the sentence goes on.
      .replace(/(?:…|\.\.\.)\s+(?:…|\.\.\.)\s*/g, separator)
  );
}
