/** Kaldi's data folders: wav.scp, segments, text, utt2spk, each a line an utterance or a recording. */
import { basename, join, resolve } from 'node:path';
import { partReference } from '../audio/audio-reference.ts';
import type { CorpusClip } from '../data/manifest-write.ts';
import { excerpt, UserError } from '../errors.ts';
import { textLines } from '../files/lines.ts';
import { isLanguage } from '../language/profile.ts';
import {
  type Corpus,
  isAmong,
  isThere,
  lookAt,
  onlyLanguage,
  type Reading,
  type Source,
  setIn,
  spokenOf,
  writtenOf,
} from './corpus.ts';
import { joinRows, noRows } from './join-rows.ts';

/**
 * `wav.scp` (recording, file), `segments` (utterance, recording, start, end; without it an utterance is a recording), `text`
 * (utterance, words), `utt2spk`, `utt2lang`, and texts in other languages as `text.de`. Files are sorted by their first word,
 * as Kaldi wants them, and are read in step; others are read as well, through temporary files.
 */
export const kaldi: Corpus = {
  name: 'kaldi',
  about: "Kaldi's data folders: wav.scp, text, segments, utt2spk, and translations as text.de",
  source: 'data/train, or the folder of such folders',
  options: [],
  example: 'prepare kaldi data/train data/test --from en --output m.tsv',
  recognises: async (source) => (await foldersOf(source)).length > 0,
  async *read(sources, reading) {
    for (const source of sources) {
      const folders = await foldersOf(await lookAt(source));
      if (folders.length === 0)
        throw new UserError(`${source}: found no wav.scp; expected a data folder of Kaldi`);
      for (const folder of folders) yield* folderClips(folder, reading);
    }
  },
};

async function foldersOf({ path, isFolder, names }: Source): Promise<Source[]> {
  if (!isFolder) return [];
  if (names.includes('wav.scp')) return [{ path, isFolder, names }];
  const found: Source[] = [];
  for (const name of names.slice(0, 200)) {
    const inside = await lookAt(join(path, name)).catch(() => undefined);
    if (inside?.names.includes('wav.scp')) found.push(inside);
  }
  return found;
}

interface Entry {
  readonly id: string;
  /** What follows the first word. */
  readonly rest: string;
  readonly where: string;
}

async function* entries(file: string): AsyncGenerator<Entry> {
  for await (const { text, number } of textLines(file, 'a table of Kaldi: a name and what belongs to it')) {
    const [, id, rest = ''] = /^(\S+)(?:\s+(.*\S))?\s*$/.exec(text) ?? [];
    if (id !== undefined) yield { id, rest, where: `${file}:${number}` };
  }
}

async function* folderClips({ path, names }: Source, reading: Reading): AsyncGenerator<CorpusClip> {
  const { skip } = reading;
  const set = setIn(basename(path)) || basename(path);
  const hasSegments = names.includes('segments');
  const hasLanguages = names.includes('utt2lang');
  const only = hasLanguages ? undefined : onlyLanguage(reading, `${path} (it has no utt2lang)`);
  const texts = names.flatMap((name) => {
    const code = /^text\.([\w-]+)$/.exec(name)?.[1];
    return code !== undefined && isLanguage(code) ? [{ name, code: writtenOf(code) }] : [];
  });
  const recordings = new Map<string, string | undefined>();
  if (hasSegments) {
    for await (const { id, rest, where } of entries(join(path, 'wav.scp'))) {
      recordings.set(id, recordingOf(path, rest, where, reading));
    }
  }
  const optional = (name: string): AsyncIterable<Entry> =>
    names.includes(name) ? entries(join(path, name)) : noRows();
  const tables = [
    entries(join(path, hasSegments ? 'segments' : 'wav.scp')),
    optional('text'),
    optional('utt2spk'),
    optional('utt2lang'),
    optional('utt2dur'),
    ...texts.map(({ name }) => entries(join(path, name))),
  ];
  for await (const [place, said, speaker, lang, dur, ...others] of joinRows(tables, ({ id }) => id)) {
    if (!place) {
      const one = [said, speaker, lang, dur, ...others].find((entry) => entry !== undefined);
      if (said || others.some(Boolean))
        skip(one!.where, `not in ${hasSegments ? 'segments' : 'wav.scp'}`, excerpt(one!.id));
      continue;
    }
    const { id, rest, where } = place;
    let audio: string | undefined;
    let duration = dur ? Number(dur.rest) : Number.NaN;
    if (hasSegments) {
      const [recording = '', start, end] = rest.split(/\s+/);
      if (!recordings.has(recording)) skip(where, 'not in wav.scp', excerpt(recording));
      const [from, to] = [Number(start), Number(end)];
      const whole = recordings.get(recording);
      // What is wrong with the recording was said at its own line.
      if (whole === undefined) continue;
      // An end of -1 is that of the recording.
      if (!(from >= 0 && (to > from || to === -1))) {
        skip(where, 'times that are none', excerpt(rest));
        continue;
      }
      audio = partReference(whole, { from, ...(to > 0 && { to }) });
      if (to > 0) duration = to - from;
    } else audio = recordingOf(path, rest, where, reading);
    if (audio === undefined) continue;
    if (only === undefined && !lang) {
      skip(where, 'no language', 'in utt2lang');
      continue;
    }
    const translations: Record<string, string> = {};
    let text = said?.rest ?? '';
    const language = only ?? spokenOf(lang!.rest);
    for (const [i, { code }] of texts.entries()) {
      const written = others[i]?.rest ?? '';
      if (written === '') continue;
      if (isAmong(code, [language])) text ||= written;
      else translations[code] = written;
    }
    yield {
      audio,
      language,
      set,
      key: id,
      text,
      translations,
      ...(duration > 0 && { duration }),
      ...(speaker && { speaker: speaker.rest }),
    };
  }
}

/** The file of an entry of wav.scp; undefined, and reported, where it names none. */
function recordingOf(folder: string, rest: string, where: string, { skip }: Reading): string | undefined {
  if (rest.endsWith('|'))
    skip(where, 'a command instead of a file', `${excerpt(rest)}; expected its output as a file`);
  else if (/\.ark:\d+$/.test(rest)) skip(where, 'a place in an ark instead of a file', excerpt(rest));
  else if (rest === '') skip(where, 'no recording');
  else {
    // Kaldi's paths are relative to the folder that its scripts run in, mostly two above.
    const places = [rest, join(folder, rest), join(folder, '..', rest), join(folder, '..', '..', rest)];
    const found = places.map((place) => resolve(place)).find(isThere);
    if (found !== undefined) return found;
    skip(where, 'no recording', rest);
  }
  return undefined;
}
