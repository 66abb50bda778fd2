/** Corpora of talks whose sentences are segments of long recordings: MuST-C (Di Gangi et al. 2019), mTEDx, Europarl-ST. */
import { basename, dirname, join } from 'node:path';
import { parse as parseYaml } from 'yaml';
import { partReference } from '../audio/audio-reference.ts';
import type { CorpusClip } from '../data/manifest-write.ts';
import { excerpt, UserError } from '../errors.ts';
import { type Line, textLines } from '../files/lines.ts';
import { namesIn } from '../files/read.ts';
import { isLanguage } from '../language/profile.ts';
import {
  type Corpus,
  isAmong,
  lookAt,
  onlyLanguage,
  type Reading,
  type Source,
  setOf,
  spokenOf,
  writtenOf,
} from './corpus.ts';
import { filesBelow } from './files-below.ts';
import { joinRows } from './join-rows.ts';
import { isObject, type Json } from './text.ts';

/** A folder of a pair: en-de. */
const PAIR = /^([a-z]{2,3})-([a-z]{2,3})$/;
const YAML = /[/\\]txt[/\\][^/\\]+\.yaml$/;

/**
 * `en-de/data/train/txt/train.yaml` with the segments (duration, offset, speaker_id, wav), beside it a text file a language
 * with a line a segment, and the recordings in `en-de/data/train/wav`. tst-COMMON becomes the set `test`.
 */
export const mustC: Corpus = {
  name: 'must-c',
  about: 'MuST-C and mTEDx: talks with segments in YAML and a text file a language',
  source: 'en-de, or the folder of such folders',
  options: [],
  example: 'prepare must-c MUSTC_v2.0/en-de --sets train,dev,test --output en-de.tsv',
  async recognises({ path, isFolder, names }) {
    if (!isFolder) return false;
    for (const folder of [path, ...names.filter((name) => PAIR.test(name)).map((name) => join(path, name))]) {
      for (const set of await namesIn(join(folder, 'data'))) {
        if ((await namesIn(join(folder, 'data', set, 'txt'))).some((name) => name.endsWith('.yaml')))
          return true;
      }
    }
    return false;
  },
  async *read(sources, reading) {
    for (const source of sources) {
      const { isFolder } = await lookAt(source);
      const tables = isFolder ? await filesBelow(source, (path) => YAML.test(path)) : [source];
      if (tables.length === 0)
        throw new UserError(`${source}: found no data/train/txt/train.yaml; expected a pair of MuST-C`);
      for (const table of tables) yield* talkClips(table, reading);
    }
  },
};

async function* talkClips(table: string, reading: Reading): AsyncGenerator<CorpusClip> {
  const split = basename(table, '.yaml');
  const set = split === 'tst-COMMON' ? 'test' : setOf(split);
  const folder = dirname(table);
  const pair = PAIR.exec(basename(join(folder, '..', '..', '..')));
  const language = pair ? spokenOf(pair[1]!) : onlyLanguage(reading, table);
  if (
    !isAmong(language, reading.from) ||
    (reading.sets && !reading.sets.includes(set) && !reading.sets.includes(split))
  )
    return;
  if (reading.isFull(language, set)) return;
  const wav = join(folder, '..', 'wav');
  const recordings = new Map(
    (await namesIn(wav)).map((name) => [name.replace(/\.\w+$/, ''), join(wav, name)]),
  );
  const texts = (await namesIn(folder)).flatMap((name) => {
    const code = name.startsWith(`${split}.`) ? name.slice(split.length + 1) : '';
    const isText = code !== 'yaml' && isLanguage(code);
    return isText ? [{ code, file: join(folder, name) }] : [];
  });
  const lines = new LinesBeside(
    table,
    texts.map(({ file }) => file),
  );
  const numbers = new Map<string, number>();
  for await (const { entry, where } of yamlEntries(table)) {
    const sentences = await lines.next();
    const { wav: name, offset, duration, speaker_id } = entry;
    const stem = String(name ?? '').replace(/\.\w+$/, '');
    const number = numbers.get(stem) ?? 0;
    numbers.set(stem, number + 1);
    const [from, length] = [Number(offset), Number(duration)];
    const recording = recordings.get(stem);
    if (recording === undefined) reading.skip(where, 'no recording', `${excerpt(String(name))} in ${wav}`);
    else if (!(from >= 0 && length > 0 && length < Number.POSITIVE_INFINITY))
      reading.skip(where, 'times that are none', excerpt(JSON.stringify(entry), 80));
    else {
      const translations: Record<string, string> = {};
      let text = '';
      for (const [i, { code }] of texts.entries()) {
        if (isAmong(writtenOf(code), [language])) text = sentences[i]!;
        else translations[writtenOf(code)] = sentences[i]!;
      }
      yield {
        audio: partReference(recording, { from, to: from + length }),
        language,
        set,
        key: `${stem}_${number}`,
        text,
        translations,
        duration: length,
        ...(speaker_id !== undefined && { speaker: String(speaker_id) }),
      };
    }
  }
  await lines.end();
}

/** Reads the texts of segments in step with their list: of each file a line for each segment. */
class LinesBeside {
  readonly #list: string;
  readonly #texts: readonly { file: string; lines: AsyncGenerator<Line, void, undefined> }[];
  #count = 0;

  constructor(list: string, files: readonly string[]) {
    this.#list = list;
    this.#texts = files.map((file) => ({ file, lines: textLines(file, 'a sentence a line') }));
  }

  /** The lines of the next segment. @throws UserError where a file has none */
  async next(): Promise<string[]> {
    const found: string[] = [];
    for (const { file, lines } of this.#texts) {
      const { value } = await lines.next();
      if (!value)
        throw new UserError(
          `${file}: found ${this.#count} lines; expected one for each segment of ${this.#list}`,
        );
      found.push(value.text);
    }
    this.#count++;
    return found;
  }

  /** @throws UserError where a file goes on */
  async end(): Promise<void> {
    for (const { file, lines } of this.#texts) {
      if (!(await lines.next()).done)
        throw new UserError(
          `${file}: found more lines than ${this.#count}; expected one for each segment of ${this.#list}`,
        );
    }
  }
}

/** `- {duration: 3.500000, offset: 16.080000, rW: 9, uW: 0, speaker_id: spk.767, wav: ted_767.wav}`, as nearly all lines are. */
const FLOW = /^- \{([^{}[\]"'#&*!|>%@`]*)\}\s*$/;
/** Lines of an entry; the corpora have six. */
const MAX_ENTRY_LINES = 100;

/** The entries of a YAML list, one after the other: a list of 230,000 is not read at once. */
async function* yamlEntries(file: string): AsyncGenerator<{ entry: Json; where: string }> {
  let lines: string[] = [];
  let first = 0;
  const parsed = function* (): Generator<{ entry: Json; where: string }> {
    if (lines.length === 0) return;
    const where = `${file}:${first}`;
    yield { entry: parseEntry(lines, where), where };
    lines = [];
  };
  for await (const { text, number } of textLines(file, 'a YAML list of segments')) {
    if (text.trim() === '' || text.startsWith('#') || text === '---') continue;
    if (text.startsWith('- ')) {
      yield* parsed();
      first = number;
    } else if (lines.length === 0 || !/^\s/.test(text)) {
      throw new UserError(
        `${file}:${number}: found ${excerpt(text)}; expected a segment: - {duration: …, offset: …, wav: …}`,
      );
    }
    if (lines.length >= MAX_ENTRY_LINES)
      throw new UserError(
        `${file}:${first}: found a segment of more than ${MAX_ENTRY_LINES} lines; expected - {duration: …, offset: …, wav: …}`,
      );
    lines.push(text);
  }
  yield* parsed();
}

function parseEntry(lines: readonly string[], where: string): Json {
  const inside = lines.length === 1 ? FLOW.exec(lines[0]!)?.[1] : undefined;
  if (inside !== undefined) {
    return Object.fromEntries(
      inside.split(',').map((part) => {
        const colon = part.indexOf(':');
        return [part.slice(0, colon).trim(), part.slice(colon + 1).trim()];
      }),
    );
  }
  let value: unknown;
  try {
    value = parseYaml(lines.join('\n'), { maxAliasCount: 0, logLevel: 'silent' });
  } catch (error) {
    throw new UserError(
      `${where}: not YAML (${(error as Error).message.split('\n')[0]!.slice(0, 100)}); expected a segment`,
    );
  }
  const entry: unknown = Array.isArray(value) ? value[0] : undefined;
  if (!isObject(entry)) {
    throw new UserError(
      `${where}: found ${excerpt(lines[0]!)}; expected a segment: - {duration: …, offset: …, wav: …}`,
    );
  }
  return entry;
}

/**
 * `en/de/train/segments.lst` (speech, start, end) with `segments.en` and `segments.de` beside it, a line a segment, and the
 * speeches in `en/audios`; `speeches.lst` and `speakers.lst` tell who speaks. Segments that several pairs have are one clip.
 */
export const europarlSt: Corpus = {
  name: 'europarl-st',
  about: 'Europarl-ST: speeches of the European Parliament in nine languages and their translations',
  source: 'the folder of its languages (v1.1), or one of them',
  options: [],
  example: 'prepare europarl-st europarl-st/v1.1 --from en --to de,fr --output en.tsv',
  recognises: async (source) => (await speechFolders(source)).length > 0,
  async *read(sources, reading) {
    for (const source of sources) {
      const folders = await speechFolders(await lookAt(source));
      if (folders.length === 0)
        throw new UserError(
          `${source}: found no en/audios beside en/de/train/segments.lst; expected Europarl-ST`,
        );
      for (const folder of folders) yield* speechClips(folder, reading);
    }
  },
};

/** Folders of languages spoken: the source, or those in it. */
async function speechFolders(source: Source): Promise<Source[]> {
  if (!source.isFolder) return [];
  if (source.names.includes('audios')) return isLanguage(basename(source.path)) ? [source] : [];
  const found: Source[] = [];
  for (const name of source.names.filter((one) => /^[a-z]{2}$/.test(one))) {
    const inside = await lookAt(join(source.path, name)).catch(() => undefined);
    if (inside?.names.includes('audios')) found.push(inside);
  }
  return found;
}

interface Segment {
  readonly where: string;
  readonly line: string;
  readonly text: string;
  readonly code: string;
  readonly translation: string;
}

async function* speechClips({ path, names }: Source, reading: Reading): AsyncGenerator<CorpusClip> {
  const spoken = basename(path);
  const language = spokenOf(spoken);
  if (!isAmong(language, reading.from)) return;
  const audios = join(path, 'audios');
  const recordings = new Map(
    (await namesIn(audios)).map((name) => [name.replace(/\.\w+$/, ''), join(audios, name)]),
  );
  const targets = names.filter((name) => /^[a-z]{2}$/.test(name) && isAmong(writtenOf(name), reading.to));
  for (const set of reading.sets ?? ['train', 'dev', 'test']) {
    const folders: { target: string; folder: string }[] = [];
    for (const target of targets) {
      const folder = join(path, target, set);
      if ((await namesIn(folder)).includes('segments.lst')) folders.push({ target, folder });
    }
    const speakers = new Map<string, string>();
    for (const { folder } of folders) await addSpeakers(speakers, folder);
    const tables = folders.map(({ target, folder }) => segmentsOf(folder, spoken, target));
    for await (const found of joinRows(tables, ({ line }) => line)) {
      const segments = found.filter((one) => one !== undefined);
      const { where, line, text } = segments[0]!;
      const [speech = '', start, end] = line.split(/\s+/);
      const [from, to] = [Number(start), Number(end)];
      const recording = recordings.get(speech);
      if (recording === undefined) reading.skip(where, 'no recording', `${excerpt(speech)} in ${audios}`);
      else if (!(from >= 0 && to > from && to < Number.POSITIVE_INFINITY))
        reading.skip(where, 'times that are none', excerpt(line, 80));
      else {
        const speaker = speakers.get(speech);
        yield {
          audio: partReference(recording, { from, to }),
          language,
          set,
          key: `${speech}_${start}`,
          text,
          translations: Object.fromEntries(segments.map(({ code, translation }) => [code, translation])),
          duration: to - from,
          ...(speaker && { speaker }),
        };
      }
    }
  }
}

async function addSpeakers(speakers: Map<string, string>, folder: string): Promise<void> {
  const names = await namesIn(folder);
  if (!names.includes('speeches.lst') || !names.includes('speakers.lst')) return;
  const people = textLines(join(folder, 'speakers.lst'), 'a speaker a line');
  for await (const { text } of textLines(join(folder, 'speeches.lst'), 'a speech a line')) {
    const { value } = await people.next();
    if (value) speakers.set(text.trim(), value.text.trim());
  }
}

async function* segmentsOf(folder: string, spoken: string, target: string): AsyncGenerator<Segment> {
  const list = join(folder, 'segments.lst');
  const lines = new LinesBeside(
    list,
    [spoken, target].map((code) => join(folder, `segments.${code}`)),
  );
  for await (const { text: line, number } of textLines(list, 'a segment a line')) {
    const [text, translation] = await lines.next();
    yield {
      where: `${list}:${number}`,
      line: line.trim(),
      text: text!,
      code: writtenOf(target),
      translation: translation!,
    };
  }
  await lines.end();
}
