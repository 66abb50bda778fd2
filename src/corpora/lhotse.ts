/** Lhotse's manifests: cuts, or recordings and supervisions, a JSON object a line. */
import { basename, dirname, join, resolve } from 'node:path';
import { partReference } from '../audio/audio-reference.ts';
import type { CorpusClip } from '../data/manifest-write.ts';
import { excerpt, UserError } from '../errors.ts';
import { isLanguage } from '../language/profile.ts';
import {
  type Corpus,
  isThere,
  lookAt,
  onlyLanguage,
  type Reading,
  setIn,
  spokenOf,
  writtenOf,
} from './corpus.ts';
import { filesBelow } from './files-below.ts';
import { jsonLines } from './table.ts';
import { isObject, type Json, textOf } from './text.ts';

const FILE = /(cuts|supervisions|recordings)[^/]*\.jsonl(?:\.gz)?$/;
/** Keys of `custom` that hold the sentence in other languages, as an object by language. */
const BY_LANGUAGE = ['translated_text', 'translations', 'translation'];
/** Keys of `custom` for one other language: `text_de`, `translation_de`. */
const IN_LANGUAGE = /^(?:text|translation|translated_text)_([a-z]{2,3}(?:[-_][A-Za-z]{2,4})?)$/;

/**
 * `cuts.jsonl.gz`, a clip a supervision; or `recordings.jsonl.gz` and `supervisions.jsonl.gz` of the same names. Recordings
 * are files; a supervision that stands in one channel of several is left out, as recordings are read with their channels
 * together. Translations are in a supervision's `custom`.
 */
export const lhotse: Corpus = {
  name: 'lhotse',
  about: 'Lhotse manifests: cuts, or recordings and supervisions (.jsonl, .jsonl.gz)',
  source: 'cuts.jsonl.gz, or recordings.jsonl.gz and supervisions.jsonl.gz, or their folder',
  options: [],
  example:
    'prepare lhotse must_c_recordings_train.jsonl.gz must_c_supervisions_train.jsonl.gz --output m.tsv',
  recognises: ({ path, isFolder, names }) =>
    (isFolder ? names : [basename(path)]).some((name) => FILE.test(name)),
  async *read(sources, reading) {
    const files: string[] = [];
    for (const source of sources) {
      const { isFolder } = await lookAt(source);
      for (const file of isFolder ? await filesBelow(source, (path) => FILE.test(basename(path))) : [source])
        files.push(file);
    }
    const kindOf = (file: string) => /.*(cuts|supervisions|recordings)/.exec(basename(file))?.[1];
    const used = new Set<string>();
    for (const file of files) {
      if (kindOf(file) === 'recordings') continue;
      if (kindOf(file) !== 'supervisions') {
        yield* cutClips(file, reading);
        continue;
      }
      const name = file.replace(/supervisions(?=[^/]*$)/, 'recordings');
      const others = files.filter((one) => kindOf(one) === 'recordings');
      const recordings = [name, ...(files.length === 2 ? others : [])].find((one) => isThere(one));
      if (recordings === undefined) {
        throw new UserError(`${file}: found no recordings beside it; expected ${basename(name)}`);
      }
      used.add(recordings);
      yield* supervisionClips(file, recordings, reading);
    }
    const alone = files.find((file) => kindOf(file) === 'recordings' && !used.has(file));
    if (alone !== undefined) reading.skip(alone, 'recordings without supervisions');
    if (files.length === 0)
      throw new UserError(`${sources.join(', ')}: found no cuts or supervisions; expected cuts.jsonl.gz`);
  },
};

interface Recording {
  readonly path: string;
  /** Seconds. */
  readonly duration: number;
  readonly channels: number;
}

const seconds = (value: unknown): number => (typeof value === 'number' ? value : Number.NaN);

async function* cutClips(file: string, reading: Reading): AsyncGenerator<CorpusClip> {
  for await (const { where, values: cut } of jsonLines(file, reading)) {
    const { type, recording, supervisions } = cut;
    if (type !== undefined && type !== 'MonoCut') {
      reading.skip(
        where,
        type === 'MultiCut'
          ? 'a cut of several channels'
          : `a cut that is mixed or padded (${String(type).slice(0, 20)})`,
      );
      continue;
    }
    const found = isObject(recording) ? recordingOf(recording, file, cut.channel) : 'no recording';
    if (typeof found === 'string') {
      reading.skip(where, found);
      continue;
    }
    const [from, length] = [seconds(cut.start), seconds(cut.duration)];
    if (!Array.isArray(supervisions) || supervisions.length === 0) {
      reading.skip(where, 'no supervision');
      continue;
    }
    for (const one of supervisions) {
      const clip = isObject(one)
        ? clipOf(one, found, { from, to: from + length }, file, reading)
        : 'no supervision';
      if (typeof clip === 'string') reading.skip(where, clip);
      else yield clip;
    }
  }
}

async function* supervisionClips(
  file: string,
  recordings: string,
  reading: Reading,
): AsyncGenerator<CorpusClip> {
  const known = new Map<string, Recording | string>();
  for await (const { where, values } of jsonLines(recordings, reading)) {
    const id = textOf(values.id) ?? '';
    const found = recordingOf(values, recordings, undefined);
    known.set(id, found);
    if (typeof found === 'string') reading.skip(where, found);
  }
  for await (const { where, values } of jsonLines(file, reading)) {
    const recording = known.get(textOf(values.recording_id) ?? '');
    if (recording === undefined)
      reading.skip(where, 'not in the recordings', excerpt(textOf(values.recording_id) ?? ''));
    if (recording === undefined || typeof recording === 'string') continue;
    const whole = { from: 0, to: recording.duration };
    const clip =
      recording.channels > 1 && !isAll(values.channel, recording.channels)
        ? 'a channel of several'
        : clipOf(values, recording, whole, file, reading);
    if (typeof clip === 'string') reading.skip(where, clip);
    else yield clip;
  }
}

const isAll = (channel: unknown, channels: number): boolean =>
  Array.isArray(channel) && channel.length === channels;

/** The file of a recording, or why there is none. */
function recordingOf(
  { sources, duration, channel_ids }: Json,
  manifest: string,
  channel: unknown,
): Recording | string {
  if (!Array.isArray(sources) || sources.length === 0) return 'no recording';
  // A file for each channel is read alone.
  const of = (source: unknown): readonly unknown[] =>
    isObject(source) && Array.isArray(source.channels) ? source.channels : [];
  const source: unknown =
    sources.length === 1 ? sources[0] : sources.find((one) => of(one).length === 1 && of(one)[0] === channel);
  if (source === undefined) return 'several files for its channels';
  if (!isObject(source)) return 'no recording';
  if (source.type !== 'file') return `a recording that is no file (${String(source.type).slice(0, 20)})`;
  const channels = of(source).length || (Array.isArray(channel_ids) ? channel_ids.length : 1);
  if (channel !== undefined && channels > 1 && !isAll(channel, channels)) return 'a channel of several';
  const path = textOf(source.source) ?? '';
  // Lhotse's paths are as its script was given them.
  const found = [path, join(dirname(manifest), path)].map((place) => resolve(place)).find(isThere);
  if (path === '' || found === undefined) return `no recording`;
  return { path: found, duration: seconds(duration), channels };
}

/** A clip of a supervision, or why there is none. `cut`: where in the recording its times count from, and end. */
function clipOf(
  supervision: Json,
  { path, duration: whole }: Recording,
  cut: { from: number; to: number },
  file: string,
  reading: Reading,
): CorpusClip | string {
  const { start, duration, text, language, speaker, custom, gender } = supervision;
  const from = Math.max(cut.from, cut.from + seconds(start));
  const to = Math.min(cut.to, cut.from + seconds(start) + seconds(duration));
  if (!(from >= 0 && to > from && to < Number.POSITIVE_INFINITY)) return 'times that are none';
  const named = textOf(language) ?? '';
  const translations: Record<string, string> = {};
  const add = (code: string, value: unknown): void => {
    const written = textOf(value) ?? '';
    if (isLanguage(code) && written.trim() !== '') translations[writtenOf(code)] = written;
  };
  for (const [key, value] of Object.entries(isObject(custom) ? custom : {})) {
    const code = IN_LANGUAGE.exec(key)?.[1];
    if (code !== undefined) add(code, value);
    else if (BY_LANGUAGE.includes(key) && isObject(value))
      for (const [name, one] of Object.entries(value)) add(name, one);
    else if (BY_LANGUAGE.includes(key) && reading.to?.length === 1) add(reading.to[0]!, value);
  }
  // A millisecond: times are rounded.
  const isWhole = from < 0.001 && Math.abs(to - whole) < 0.001;
  const spoken = textOf(speaker) ?? '';
  const kind = textOf(gender) ?? '';
  return {
    audio: isWhole ? path : partReference(path, { from, to }),
    language: isLanguage(named) ? spokenOf(named) : onlyLanguage(reading, file),
    set: setIn(basename(file)),
    key: textOf(supervision.id) ?? '',
    text: textOf(text) ?? '',
    translations,
    duration: to - from,
    ...(spoken !== '' && { speaker: spoken }),
    ...(kind !== '' && { other: { gender: kind } }),
  };
}
