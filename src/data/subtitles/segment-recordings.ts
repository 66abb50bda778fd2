/** Clips of long recordings, by the subtitles or annotations that belong to them, as rows of a manifest. */
import { basename, dirname, extname, resolve } from 'node:path';
import { audioDuration } from '../../audio/audio-file.ts';
import { partReference, pathForResults, resolveReference } from '../../audio/audio-reference.ts';
import { UserError } from '../../errors.ts';
import { isLanguage, languageProfile, sameLanguage } from '../../language/profile.ts';
import { stageProgress, type WorkOptions } from '../../report/progress.ts';
import type { CorpusClip } from '../manifest-write.ts';
import { readCues } from './cues.ts';
import { type SubtitlesIn, segmentRecording } from './segment.ts';

/** A tier of an annotation, and the language in it. */
export interface TierName {
  readonly language?: string | undefined;
  readonly tier: string;
}

export interface SegmentSettings {
  readonly recordings: readonly string[];
  readonly subtitles: readonly string[];
  /** Language spoken. Default: that of the only file of a recording */
  readonly from?: string | undefined;
  /** Default: the only tier with texts */
  readonly tiers?: readonly TierName[] | undefined;
  /** Of a clip, seconds. */
  readonly max: number;
  /** Column `set`. */
  readonly set: string;
}

export interface SegmentCounts {
  recordings: number;
  clips: number;
  seconds: number;
  cues: number;
  used: number;
  /** Clips that end within a sentence. */
  cut: number;
  /** Recordings and files that were left out. */
  failed: number;
  readonly soundNotes: Map<string, number>;
  /** Clips with a text, by language. */
  readonly texts: Map<string, number>;
}

/**
 * The clips of all recordings; a recording or file that cannot be used is reported, and the others go on.
 * @param onProblem gets each cue that is left out or changed, and each file, a line
 */
export async function* segmentRecordings(
  settings: SegmentSettings,
  counts: SegmentCounts,
  onProblem: (line: string) => void,
  { onProgress, onNote, signal }: WorkOptions = {},
): AsyncGenerator<CorpusClip, void, undefined> {
  const { recordings, subtitles, max, set } = settings;
  const fail = (error: unknown): void => {
    if (!(error instanceof UserError)) throw error;
    counts.failed++;
    onProblem(error.message);
  };
  const stems = recordings.map(stemOf);
  const filesOf = recordings.map((): string[] => []);
  // A key stands for a sentence: those of two talks of one name differ.
  const names = stems.map((stem, i) =>
    stems.indexOf(stem) === stems.lastIndexOf(stem)
      ? stem
      : `${basename(dirname(resolve(pathForResults(recordings[i]!))))}/${stem}`,
  );
  for (const file of subtitles) {
    const belongsTo = recordings.length === 1 ? 0 : recordingOf(file, recordings, stems);
    if (belongsTo !== undefined) filesOf[belongsTo]!.push(file);
    else {
      fail(
        new UserError(
          `${file}: found no recording of that name; expected one such as ${stems[0]} for ${stems[0]}.de.srt`,
        ),
      );
    }
  }
  const progress = stageProgress({ onProgress }, 'segmenting', recordings.length);
  for (const [i, recording] of recordings.entries()) {
    signal?.throwIfAborted();
    try {
      const files = filesOf[i]!;
      if (files.length === 0)
        throw new UserError(`${recording}: found no subtitles of it; expected ${stems[i]}.srt or the like`);
      const duration = await audioDuration(recording);
      const read: SubtitlesIn[] = [];
      for (const file of files) {
        try {
          for (const track of await tracksOf(file, stems[i]!, settings, onNote)) read.push(track);
        } catch (error) {
          fail(error);
        }
      }
      if (read.length === 0) continue;
      const { tracks, language } = inOrder(recording, read, settings.from);
      const segmented = segmentRecording(tracks, { language, max, duration });
      for (const problem of segmented.problems) onProblem(problem);
      for (const [note, count] of segmented.soundNotes) add(counts.soundNotes, note, count);
      counts.recordings++;
      counts.cues += segmented.cues;
      counts.used += segmented.used;
      counts.cut += segmented.cut;
      const digits = String(segmented.clips.length).length;
      for (const [k, { start, end, texts }] of segmented.clips.entries()) {
        counts.clips++;
        counts.seconds += end - start;
        for (const code of texts.keys()) add(counts.texts, code, 1);
        const translations = Object.fromEntries([...texts].filter(([code]) => !sameLanguage(code, language)));
        yield {
          audio: partReference(resolveReference('', recording), { from: start, to: end }),
          ...{ language, set, translations },
          key: `${names[i]}-${String(k + 1).padStart(digits, '0')}`,
          text: [...texts].find(([code]) => sameLanguage(code, language))?.[1] ?? '',
          duration: end - start,
        };
      }
    } catch (error) {
      fail(error);
    }
    progress(i + 1);
  }
}

function add(counts: Map<string, number>, name: string, count: number): void {
  counts.set(name, (counts.get(name) ?? 0) + count);
}

/** The name of a recording, without folder and ending. */
function stemOf(recording: string): string {
  const name = basename(pathForResults(recording));
  return name.slice(0, name.length - extname(name).length) || name;
}

/**
 * The recording whose name a file begins with: `talk.de.srt` belongs to `talk.mp3`; of several the longest name, then the one
 * in the same folder.
 */
function recordingOf(
  file: string,
  recordings: readonly string[],
  stems: readonly string[],
): number | undefined {
  const name = basename(file);
  const isBeside = (i: number) => dirname(resolve(pathForResults(recordings[i]!))) === dirname(resolve(file));
  let found: number | undefined;
  for (const [i, stem] of stems.entries()) {
    if (!name.startsWith(stem) || !/^[._]/.test(name.slice(stem.length))) continue;
    const longer = found === undefined ? 1 : stem.length - stems[found]!.length;
    if (longer > 0 || (longer === 0 && isBeside(i))) found = i;
  }
  return found;
}

/** The language that stands in a name: `talk.de.srt`, `talk.pt-BR.vtt`; undefined: none does. */
function languageIn(file: string, stem: string): string | undefined {
  const name = basename(file);
  const rest = name.startsWith(stem) ? name.slice(stem.length) : name;
  const code = rest
    .split('.')
    .slice(0, -1)
    .reverse()
    .find((part) => /^[a-z]{2,3}(?:[-_][A-Za-z]{2,4})?$/.test(part) && isLanguage(part));
  return code && languageProfile(code).code;
}

async function tracksOf(
  file: string,
  stem: string,
  { tiers, from }: SegmentSettings,
  onNote?: (note: string) => void,
): Promise<SubtitlesIn[]> {
  const inName = languageIn(file, stem);
  const tracks: SubtitlesIn[] = [];
  for (const { tier, language } of tiers ?? [{ tier: undefined, language: undefined }]) {
    const found = await readCues(file, tier, onNote);
    tracks.push({
      file: tiers ? `${file} (${tier})` : file,
      language: language ?? inName ?? from ?? '',
      ...found,
    });
  }
  return tracks;
}

/** The files of a recording, that of the language spoken first. */
function inOrder(
  recording: string,
  read: readonly SubtitlesIn[],
  from: string | undefined,
): { tracks: SubtitlesIn[]; language: string } {
  const unnamed = read.find(({ language }) => language === '');
  if (unnamed) {
    throw new UserError(
      `${unnamed.file}: found no language in its name; expected one such as talk.de.srt, or --from with the language spoken`,
    );
  }
  const repeated = read.find(
    (one, i) => read.findIndex(({ language }) => sameLanguage(language, one.language)) !== i,
  );
  if (repeated) {
    throw new UserError(
      `${repeated.file}: found a second file in "${repeated.language}" of ${recording}; expected one a language`,
    );
  }
  const language = from ?? (read.length === 1 ? read[0]!.language : undefined);
  if (language === undefined) {
    const found = read.map((one) => one.language).join(', ');
    throw new UserError(
      `${recording}: found subtitles in ${found}; expected --from with the language spoken`,
    );
  }
  const isSpoken = (one: SubtitlesIn) => Number(sameLanguage(one.language, language));
  return { tracks: [...read].sort((a, b) => isSpoken(b) - isSpoken(a)), language };
}
