/** WebDataset: shards of tar archives, in which the files of a sample stand together under one name. */
import { basename, join } from 'node:path';
import { isTar, memberReference, partReference } from '../audio/audio-reference.ts';
import { isSoundName } from '../audio/recordings-in.ts';
import type { CorpusClip } from '../data/manifest-write.ts';
import { UserError } from '../errors.ts';
import { isLanguage } from '../language/profile.ts';
import { archiveMembers } from './archive-members.ts';
import { parseColumns, rowReader } from './column-map.ts';
import { type Corpus, isAmong, lookAt, type Reading, setIn, writtenOf } from './corpus.ts';
import { filesBelow } from './files-below.ts';
import { jsonObject } from './table.ts';

/**
 * Members are grouped by their path up to the first dot of the last name: `0001.flac`, `0001.json` and `0001.txt` are one
 * sample. `.txt` is what is said, `.de.txt` the sentence in German; the keys of `.json` are known as the columns of tables are.
 */
export const webdataset: Corpus = {
  name: 'webdataset',
  about:
    'WebDataset: tar shards with a recording and its texts under one name (0001.flac, 0001.json, 0001.txt)',
  source: 'shards, a pattern of them such as "train-{000000..000099}.tar", or their folder',
  options: ['columns'],
  example: 'prepare webdataset "shards/train-{000000..000099}.tar" --from en --output train.tsv',
  recognises: ({ path, isFolder, names }) => (isFolder ? names.some(isTar) : isTar(path)),
  async *read(sources, reading) {
    for (const source of sources) {
      for (const shard of await shardsOf(source)) yield* shardClips(shard, reading);
    }
  },
};

async function shardsOf(source: string): Promise<readonly string[]> {
  if (!(await lookAt(source)).isFolder) return [source];
  const shards = await filesBelow(source, isTar);
  if (shards.length === 0) throw new UserError(`${source}: found no shard; expected .tar, .tar.gz or .tgz`);
  return shards;
}

interface Sample {
  readonly name: string;
  readonly audio: string[];
  readonly texts: [ending: string, text: string | undefined][];
}

async function* shardClips(shard: string, reading: Reading): AsyncGenerator<CorpusClip> {
  const map = parseColumns(reading.columns);
  const set = setIn(basename(shard));
  let sample: Sample | undefined;
  const clips = function* (): Generator<CorpusClip> {
    if (!sample) return;
    const where = `${shard}, sample ${sample.name}`;
    const clip = sampleClip(where, sample);
    if (typeof clip === 'string') reading.skip(where, clip);
    else yield clip;
  };
  const sampleClip = (where: string, { name, audio, texts }: Sample): CorpusClip | string => {
    if (audio.length !== 1) return audio.length === 0 ? 'no recording' : 'several recordings';
    const json = texts.find(([ending]) => ending === 'json');
    const values = json ? jsonObject(json[1] ?? '') : {};
    if (!values) return 'no JSON object beside it';
    const row = rowReader(where, { names: Object.keys(values) }, map, reading, false).read(values);
    if (typeof row === 'string') return row;
    const { audio: _, part, ...fields } = row;
    const translations: Record<string, string> = { ...fields.translations };
    let { text = '' } = fields;
    for (const [ending, content] of texts) {
      if (ending === 'json') continue;
      if (content === undefined) return 'a text that is not UTF-8';
      const code = ending.replace(/\.?txt$/, '');
      if (code === '' || isAmong(fields.language, [code])) text ||= content;
      else translations[writtenOf(code)] = content;
    }
    const reference = memberReference(shard, audio[0]!);
    return {
      ...fields,
      audio: part ? partReference(reference, part) : reference,
      set: fields.set || set,
      key: fields.key || name,
      text,
      translations,
    };
  };
  let isCut = false;
  const skip: Reading['skip'] = (...what) => {
    isCut = true;
    reading.skip(...what);
  };
  for await (const member of archiveMembers(shard, { skip })) {
    const { name, ending } = sampleName(member.name);
    if (sample?.name !== name) {
      yield* clips();
      sample = { name, audio: [], texts: [] };
    }
    if (isSoundName(member.name)) sample.audio.push(member.name);
    else if (
      ending === 'json' ||
      ending === 'txt' ||
      (/^[\w-]+\.txt$/.test(ending) && isLanguage(ending.slice(0, -4)))
    ) {
      sample.texts.push([ending, await member.text()]);
    }
  }
  // What belongs to it may stand behind the end.
  if (isCut && sample) reading.skip(`${shard}, sample ${sample.name}`, 'the last one of a cut-off archive');
  else yield* clips();
}

/** The path up to the first dot of the last name, and what follows the dot, in small letters. */
function sampleName(member: string): { name: string; ending: string } {
  const file = basename(member);
  const dot = file.indexOf('.');
  const folder = member.slice(0, member.length - file.length);
  if (dot < 0) return { name: member, ending: '' };
  return { name: join(folder, file.slice(0, dot)), ending: file.slice(dot + 1).toLowerCase() };
}
