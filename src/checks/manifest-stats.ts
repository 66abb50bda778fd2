/** Counts of manifests: hours, clips, speakers; how long clips and texts are; what is translated. One pass, in bounded memory. */

import { takeTurn } from '../abort.ts';
import { statedDuration } from '../audio/audio-file.ts';
import { type Clip, speakerOf } from '../data/clip.ts';
import { manifestRows } from '../data/manifest.ts';
import { MAX_SECONDS } from '../data/recording.ts';
import { UserError } from '../errors.ts';
import { entryOf } from '../lists.ts';
import { stageProgress, type WorkOptions } from '../report/progress.ts';
import { hashOf, SeenHashes } from '../seen-hashes.ts';
import { isEmptyText } from './text-faults.ts';

/** Counts of values in bins of one width; the last bin has all that lies above it. */
export interface Histogram {
  readonly unit: string;
  readonly width: number;
  readonly counts: number[];
  /** Of all values. */
  count: number;
  sum: number;
  largest: number;
}

const HISTOGRAMS = {
  /** Of clips; Whisper's window in steps of a second. */
  seconds: { unit: 's', width: 1, bins: MAX_SECONDS + 1 },
  /** Of clips with a transcript: characters in a second of the recording. */
  rates: { unit: 'characters a second', width: 2, bins: 21 },
  /** Of texts. */
  tokens: { unit: 'tokens', width: 10, bins: 46 },
} as const;

/** Clips of a language spoken in a set. */
export interface ClipCounts {
  readonly language: string;
  readonly set: string;
  clips: number;
  seconds: number;
  /** Clips whose length is not known. */
  unknown: number;
  speakers: number;
}

/** Texts in a language: transcripts, or translations of what is said in others. */
export interface TextCounts {
  readonly language: string;
  readonly kind: 'transcript' | 'translation';
  /** Clips that could have one: of transcripts those in the language. */
  clips: number;
  texts: number;
  characters: number;
  readonly tokens: Histogram;
  /** Texts that are longer than the decoder's room beside a prompt. */
  tooLong: number;
}

export interface ManifestStats {
  readonly manifests: readonly string[];
  readonly clips: number;
  readonly seconds: number;
  readonly unknown: number;
  readonly counts: readonly ClipCounts[];
  readonly texts: readonly TextCounts[];
  readonly lengths: readonly {
    readonly language: string;
    readonly seconds: Histogram;
    readonly rates: Histogram;
  }[];
  /** Speakers with most seconds, or clips where no length is known. */
  readonly speakers: {
    readonly count: number;
    readonly most: readonly { readonly name: string; readonly clips: number; readonly seconds: number }[];
  };
  /** Tokens of a text at most. */
  readonly room: number;
}

/** Speakers that are named. */
const NAMED_SPEAKERS = 20;
/** Files whose headers are read together. */
const FILES_AT_ONCE = 32;

export interface StatsOptions extends WorkOptions {
  /** Tokens of a text. */
  readonly tokensOf: (text: string) => number;
  /** Tokens that fit into the decoder beside its prompt. */
  readonly room: number;
}

/** @throws UserError where a manifest cannot be read or has no clips */
export async function manifestStats(
  manifests: readonly string[],
  { tokensOf, room, ...work }: StatsOptions,
): Promise<ManifestStats> {
  const counts = new Map<string, ClipCounts>();
  const texts = new Map<string, TextCounts>();
  const lengths = new Map<string, { language: string; seconds: Histogram; rates: Histogram }>();
  const speakers = new Map<string, { name: string; clips: number; seconds: number }>();
  const seenSpeakers = new SeenHashes();
  let [clips, seconds, unknown] = [0, 0, 0];
  const update = stageProgress(work, 'counting', 0);

  const addText = (language: string, kind: TextCounts['kind'], text: string): void => {
    const own = entryOf(texts, `${kind}\t${language}`, () => ({
      ...{ language, kind, clips: 0, texts: 0, characters: 0, tooLong: 0 },
      tokens: histogram('tokens'),
    }));
    if (kind === 'transcript') own.clips++;
    if (isEmptyText(text)) return;
    const tokens = tokensOf(text);
    own.texts++;
    own.characters += [...text].length;
    addValue(own.tokens, tokens);
    if (tokens > room) own.tooLong++;
  };
  const addClip = (clip: Clip, length: number | undefined): void => {
    const { language, set, text, translations } = clip;
    const own = entryOf(counts, `${language}\t${set}`, () => ({
      ...{ language, set, clips: 0, seconds: 0, unknown: 0, speakers: 0 },
    }));
    own.clips++;
    clips++;
    if (length === undefined) {
      own.unknown++;
      unknown++;
    } else {
      own.seconds += length;
      seconds += length;
      const lengthsOf = entryOf(lengths, language, () => ({
        ...{ language, seconds: histogram('seconds'), rates: histogram('rates') },
      }));
      addValue(lengthsOf.seconds, length);
      if (length > 0 && !isEmptyText(text)) addValue(lengthsOf.rates, [...text].length / length);
    }
    const name = speakerOf(clip);
    if (name !== undefined) {
      const speaker = entryOf(speakers, name, () => ({ name, clips: 0, seconds: 0 }));
      speaker.clips++;
      speaker.seconds += length ?? 0;
      if (seenSpeakers.first(hashOf(`${language}\t${set}\t${name}`), clips) === clips) own.speakers++;
    }
    addText(language, 'transcript', text);
    for (const [code, translation] of Object.entries(translations)) {
      if (code !== language) addText(code, 'translation', translation);
    }
  };

  for (const manifest of manifests) {
    let waiting: Clip[] = [];
    const before = clips;
    const addWaiting = async (): Promise<void> => {
      const some = waiting;
      waiting = [];
      const found = await Promise.all(some.map(lengthOf));
      for (const [i, clip] of some.entries()) addClip(clip, found[i]);
      await takeTurn(work.signal);
      update(clips);
    };
    for await (const { clip } of manifestRows(manifest, { withoutAudio: true })) {
      if (waiting.push(clip) >= FILES_AT_ONCE) await addWaiting();
    }
    await addWaiting();
    if (clips === before) throw new UserError(`${manifest}: found no clips; expected at least one`);
  }
  work.onProgress?.({ stage: 'counting', done: clips, total: clips });
  for (const own of texts.values()) {
    if (own.kind !== 'translation') continue;
    own.clips = [...counts.values()].reduce(
      (sum, one) => sum + (one.language === own.language ? 0 : one.clips),
      0,
    );
  }
  return {
    manifests,
    clips,
    seconds,
    unknown,
    counts: sorted(counts.values(), ({ language, set }) => `${language}\t${set}`),
    texts: sorted(texts.values(), ({ kind, language }) => `${kind}\t${language}`),
    lengths: sorted(lengths.values(), ({ language }) => language),
    speakers: {
      count: speakers.size,
      most: [...speakers.values()]
        .sort((a, b) => b.seconds - a.seconds || b.clips - a.clips || (a.name < b.name ? -1 : 1))
        .slice(0, NAMED_SPEAKERS),
    },
    room,
  };
}

/** From the manifest, else from the header of the file; undefined where neither says it. */
async function lengthOf({ duration, audio }: Clip): Promise<number | undefined> {
  if (!Number.isNaN(duration)) return duration;
  return audio === '' ? undefined : statedDuration(audio).catch(() => undefined);
}

function histogram(name: keyof typeof HISTOGRAMS): Histogram {
  const { unit, width, bins } = HISTOGRAMS[name];
  return { unit, width, counts: new Array<number>(bins).fill(0), count: 0, sum: 0, largest: 0 };
}

function addValue(own: Histogram, value: number): void {
  own.counts[Math.min(own.counts.length - 1, Math.floor(value / own.width))]!++;
  own.count++;
  own.sum += value;
  own.largest = Math.max(own.largest, value);
}

const sorted = <T>(values: Iterable<T>, key: (value: T) => string): T[] =>
  [...values].sort((a, b) => (key(a) < key(b) ? -1 : 1));

/** The bin below whose end a share of the values lies: its upper end. */
export function quantile({ counts, width, count }: Histogram, share: number): number {
  let passed = 0;
  for (const [i, one] of counts.entries()) {
    passed += one;
    if (passed >= share * count) return (i + 1) * width;
  }
  return counts.length * width;
}
