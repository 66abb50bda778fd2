/** Corpora as they are published become manifests that are read back; rows that cannot be used are told, and counted. */
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { ByteWriter, parquetWrite } from 'hyparquet-writer';
import { packTar } from 'modern-tar';
import { afterAll, expect, test } from 'vitest';
import { readManifest } from '../data/manifest.ts';
import { readCorpus } from '../testing/read-corpus.ts';
import { recogniseCorpus } from './corpora.ts';
import type { CorpusOptions } from './corpus.ts';
import { covost } from './covost.ts';
import { fleurs } from './fleurs.ts';
import { prepareCorpus } from './prepare.ts';

const folder = mkdtempSync(join(tmpdir(), 'corpora-'));
afterAll(() => rmSync(folder, { recursive: true }));

function bytes(name: string, content: Uint8Array | string): string {
  const path = join(folder, name);
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, content);
  return path;
}
const file = (name: string, ...lines: string[][]): string =>
  bytes(name, lines.map((cells) => `${cells.join('\t')}\n`).join(''));

for (const name of ['a', 'b', 'c', 'd']) file(`clips/${name}.mp3`);
const clips = join(folder, 'clips');
const readCovost = (files: string[], options: CorpusOptions = { clips }) =>
  readCorpus(covost, files, options, folder);
const readFleurs = (source: string, options: CorpusOptions) =>
  readCorpus(fleurs, [join(folder, source)], options, folder);

test('CoVoST 2 as downloaded: splits, sentences from Common Voice, and what is wrong with a row', async () => {
  const table = file(
    'covost_v2.en_zh-CN.tsv',
    ['path', 'translation', 'split'],
    ['a.mp3', '他说\\"你好\\"。', 'train'],
    ['b.mp3', '再见', 'train_covost'],
    ['gone.mp3', '不见了', 'train'],
    ['c.mp3', ' ', 'dev'],
    ['c.mp3', '好'],
    ['d.mp3', '四', 'other'],
    ['c.mp3', '三', 'test'],
  );
  const sentences = file(
    'validated.tsv',
    ['client_id', 'path', 'sentence', 'up_votes'],
    ['x', 'a.mp3', 'He said \\"hello\\".', '2'],
    ['y', 'c.mp3', 'Three', '2'],
  );
  const { skipped } = await readCovost([table], { clips, sentences });
  expect(skipped).toEqual([
    'covost_v2.en_zh-CN.tsv:4: no recording: "gone.mp3" in clips',
    'covost_v2.en_zh-CN.tsv:5: no translation',
    'covost_v2.en_zh-CN.tsv:6: another number of columns: found 2; expected 3 as in the header',
    'covost_v2.en_zh-CN.tsv:7: unknown split: "other"; expected train, dev or test',
  ]);
  const manifest = join(folder, 'manifests/en-zh.tsv');
  const prepared = await prepareCorpus(covost, [table], manifest, { clips, sentences });
  expect([...prepared.clips]).toEqual([
    ['en/train', 2],
    ['en/test', 1],
  ]);
  expect([...prepared.skipped.values()]).toEqual([1, 1, 1, 1]);
  expect(await readManifest(manifest)).toMatchObject([
    {
      audio: join(clips, 'a.mp3'),
      language: 'en',
      set: 'train',
      key: 'a',
      text: 'He said "hello".',
      translations: { zh: '他说"你好"。' },
      duration: Number.NaN,
    },
    { audio: join(clips, 'b.mp3'), set: 'train', text: '', translations: { zh: '再见' } },
    { audio: join(clips, 'c.mp3'), set: 'test', text: 'Three', translations: { zh: '三' } },
  ]);
});

test("CoVoST 2's split files, and into English", async () => {
  const table = file(
    'covost_v2.sv-SE_en.test.tsv',
    ['path', 'sentence', 'translation', 'client_id'],
    ['a.mp3', 'Hej', 'Hello', 'x'],
  );
  expect((await readCovost([table])).clips).toEqual([
    {
      audio: join(clips, 'a.mp3'),
      language: 'sv',
      set: 'test',
      key: 'a',
      text: 'Hej',
      translations: { en: 'Hello' },
      speaker: 'x',
    },
  ]);
  await expect(readCovost([file('covost.tsv', ['path'])])).rejects.toThrow(/with the languages in it$/);
  await expect(readCovost([file('covost_v2.fr_en.tsv', ['path', 'text'])])).rejects.toThrow(
    /fr_en\.tsv:1: found no column "translation"; expected path, translation in the header, which has path, text$/,
  );
  await expect(readCovost([join(folder, 'covost_v2.de_en.tsv')])).rejects.toThrow(/found no such file/);
  await expect(readCovost([table], { clips: join(folder, 'no') })).rejects.toThrow(/folder of recordings/);
  await expect(readCovost([table], {})).rejects.toThrow(
    /^--clips: found nothing; expected Common Voice's folder/,
  );
});

test('CoVoST 2 into several languages: one clip with all of them, by codes of Whisper, in any order of rows', async () => {
  const table = (target: string, ...rows: string[][]) =>
    file(
      `covost_v2.en_${target}.tsv`,
      ['path', 'translation', 'split'],
      ...rows.map(([name, text]) => [`${name}.mp3`, text!, 'train']),
    );
  const files = [
    table('sv-SE', ['a', 'Hej'], ['b', 'Två'], ['c', 'Tre']),
    table('zh-CN', ['a', '你好'], ['c', '三']),
    table('fa', ['c', 'سه'], ['b', 'دو'], ['a', 'سلام']),
  ];
  const read = await readCovost(files);
  expect(Object.fromEntries(read.clips.map(({ key, translations }) => [key, translations]))).toEqual({
    a: { sv: 'Hej', zh: '你好', fa: 'سلام' },
    b: { sv: 'Två', fa: 'دو' },
    c: { sv: 'Tre', zh: '三', fa: 'سه' },
  });
  const { clips: some } = await readCovost(files, { clips, to: ['zh', 'fa'] });
  expect(some.find(({ key }) => key === 'a')!.translations).toEqual({ zh: '你好', fa: 'سلام' });
});

/** A table of CoVoST 2 on the hub: the struct of `datasets`' Audio, and the description of the columns in its footer. */
async function covostParquet(
  config: string,
  split: string,
  rows: [id: string, text: string, to: string][],
): Promise<string> {
  const writer = new ByteWriter();
  const features = {
    client_id: { dtype: 'string', _type: 'Value' },
    file: { dtype: 'string', _type: 'Value' },
    audio: { sampling_rate: 16_000, _type: 'Audio' },
    sentence: { dtype: 'string', _type: 'Value' },
    translation: { dtype: 'string', _type: 'Value' },
    id: { dtype: 'string', _type: 'Value' },
  };
  const text = (name: string, data: string[]) => ({ name, data });
  parquetWrite({
    writer,
    columnData: [
      text(
        'client_id',
        rows.map(() => 'x'),
      ),
      text(
        'file',
        rows.map(([id]) => `${id}.mp3`),
      ),
      {
        name: 'audio',
        data: rows.map(([id]) => ({ bytes: new Uint8Array([0xff, 0xfb, 0x80]), path: `${id}.mp3` })),
      },
      text(
        'sentence',
        rows.map(([, sentence]) => sentence),
      ),
      text(
        'translation',
        rows.map(([, , translation]) => translation),
      ),
      text(
        'id',
        rows.map(([id]) => id),
      ),
    ],
    schema: [
      { name: 'root', num_children: 6 },
      { name: 'client_id', type: 'BYTE_ARRAY', converted_type: 'UTF8', repetition_type: 'OPTIONAL' },
      { name: 'file', type: 'BYTE_ARRAY', converted_type: 'UTF8', repetition_type: 'OPTIONAL' },
      { name: 'audio', num_children: 2, repetition_type: 'OPTIONAL' },
      { name: 'bytes', type: 'BYTE_ARRAY', repetition_type: 'OPTIONAL' },
      { name: 'path', type: 'BYTE_ARRAY', converted_type: 'UTF8', repetition_type: 'OPTIONAL' },
      { name: 'sentence', type: 'BYTE_ARRAY', converted_type: 'UTF8', repetition_type: 'OPTIONAL' },
      { name: 'translation', type: 'BYTE_ARRAY', converted_type: 'UTF8', repetition_type: 'OPTIONAL' },
      { name: 'id', type: 'BYTE_ARRAY', converted_type: 'UTF8', repetition_type: 'OPTIONAL' },
    ],
    kvMetadata: [{ key: 'huggingface', value: JSON.stringify({ info: { features } }) }],
  });
  return bytes(`hub/${config}/${split}-00000-of-00001.parquet`, new Uint8Array(writer.getBuffer()));
}

test('CoVoST 2 on the hub: recordings stay in their tables, and pairs of the same recordings are one clip', async () => {
  const german = await covostParquet('en_de', 'train', [
    ['common_voice_en_1', 'One.', 'Eins.'],
    ['common_voice_en_2', 'Two.', ''],
  ]);
  await covostParquet('en_zh-CN', 'train', [
    ['common_voice_en_1', 'One.', '一。'],
    ['common_voice_en_2', 'Two.', '二。'],
  ]);
  const chinese = await covostParquet('en_zh-CN', 'validation', [['common_voice_en_3', 'Three.', '三。']]);
  const hub = join(folder, 'hub');
  expect((await recogniseCorpus(hub)).name).toBe('covost');
  const { clips: read, skipped } = await readCovost([hub], {});
  expect(skipped).toEqual(['hub/en_de/train-00000-of-00001.parquet, row 1: no translation']);
  expect(read.toSorted((a, b) => (a.key < b.key ? -1 : 1))).toMatchObject([
    {
      audio: `${german}#row=0&column=audio`,
      language: 'en',
      set: 'train',
      key: 'common_voice_en_1',
      text: 'One.',
      translations: { de: 'Eins.', zh: '一。' },
      speaker: 'x',
    },
    { key: 'common_voice_en_2', translations: { zh: '二。' } },
    { audio: `${chinese}#row=0&column=audio`, key: 'common_voice_en_3', set: 'dev' },
  ]);
  expect(covost.hub!.files({ from: ['en'], to: ['zh', 'de'], sets: ['dev'] })).toEqual([
    'en_de/validation-*.parquet',
    'en_zh-CN/validation-*.parquet',
  ]);
});

const row = (id: string, name: string, text: string) => [
  id,
  name,
  text,
  text.toLowerCase(),
  '…',
  '24000',
  'MALE',
];

test("FLEURS: joined by sentence, all recordings of each or the first, Whisper's codes", async () => {
  file('fleurs/cmn_hans_cn/dev.tsv', row('7', 'z.wav', '七'));
  file('fleurs/cmn_hans_cn/test.tsv', row('8', 'z.wav', '八'), row('8', 'y.wav', '八'));
  file('fleurs/en_us/test.tsv', row('8', 'e.wav', 'Eight'));
  file(
    'fleurs/fil_ph/test.tsv',
    row('8', 'gone.wav', 'Walo'),
    row('8', 'a.wav', 'Walo'),
    row('8', 'b.wav', 'Walo'),
    row('9', 'a.wav', 'Siyam'),
    ['7', 'a.wav', 'Pito'],
    row('7', 'b.wav', 'Pito'),
  );
  for (const name of ['a', 'b']) file(`fleurs/fil_ph/audio/test/${name}.wav`);
  const options = { from: ['fil_ph'], to: ['zh', 'en_us'], sets: ['test'] };
  const { clips: all, skipped } = await readFleurs('fleurs', options);
  expect(skipped).toEqual([
    'fleurs/fil_ph/test.tsv:1: no recording: "gone.wav" in fleurs/fil_ph/audio/test',
    'fleurs/fil_ph/test.tsv:5: another form: expected sentence id, file name, text, and samples in 7 columns',
    'fleurs/fil_ph/test.tsv:4: no translation: sentence 9 in zh or en_us',
  ]);
  const audio = (name: string) => join(folder, 'fleurs/fil_ph/audio/test', name);
  const common = { language: 'tl', set: 'test', duration: 1.5, other: { gender: 'male' } };
  const [eight, seven] = [
    { ...common, audio: audio('a.wav'), key: '8', text: 'Walo', translations: { zh: '八', en: 'Eight' } },
    { ...common, audio: audio('b.wav'), key: '7', text: 'Pito', translations: { zh: '七' } },
  ];
  expect(all).toEqual([eight, { ...eight, audio: audio('b.wav') }, seven]);
  const first = await readFleurs('fleurs', { ...options, sets: undefined, onePerSentence: true });
  expect(first.clips).toEqual([eight, seven]);
  await expect(readFleurs('fleurs', { ...options, to: ['xx'] })).rejects.toThrow(
    /fleurs: found no folder of "xx"; expected a code such as fr, or one of cmn_hans_cn, en_us, fil_ph$/,
  );
  expect((await recogniseCorpus(join(folder, 'fleurs'))).name).toBe('fleurs');
});

test('FLEURS as on the hub: recordings in their archive, in its order; of a language written only the tables', async () => {
  file(
    'hub-fleurs/data/en_us/test.tsv',
    row('1', '11.wav', 'One'),
    row('2', '22.wav', 'Two'),
    row('3', '33.wav', 'No'),
  );
  file('hub-fleurs/data/de_de/test.tsv', row('1', 'x.wav', 'Eins'), row('2', 'y.wav', 'Zwei'));
  const member = (name: string) => ({ header: { name, size: 2 }, body: new Uint8Array(2) });
  const archive = await packTar([member('test/22.wav'), member('test/11.wav')]);
  const path = bytes('hub-fleurs/data/en_us/audio/test.tar.gz', gzipSync(archive));
  const { clips: read, skipped } = await readFleurs('hub-fleurs', { from: ['en'], to: ['de'] });
  expect(read.map((clip) => [clip.audio, clip.key, clip.translations])).toEqual([
    [`${path}#test/22.wav`, '2', { de: 'Zwei' }],
    [`${path}#test/11.wav`, '1', { de: 'Eins' }],
  ]);
  expect(skipped).toEqual([
    'hub-fleurs/data/en_us/test.tsv:3: no recording: "33.wav" in hub-fleurs/data/en_us/audio/test.tar.gz',
  ]);
  expect(fleurs.hub!.files({ from: ['en'], to: ['zh'], sets: ['test'] })).toEqual([
    'data/en_us/{test}.tsv',
    'data/en_us/audio/{test}.tar.gz',
    'data/cmn_hans_cn/*.tsv',
  ]);
});

test('a manifest is written whole or not at all, with the columns that some row has', async () => {
  const output = join(folder, 'new/place/m.tsv');
  const source = [join(folder, 'fleurs')];
  await expect(
    prepareCorpus(fleurs, source, output, { from: ['tl'], to: ['zh'], minSeconds: 2 }),
  ).rejects.toThrow(
    /fleurs: no row can be used: 1 no recording, 1 another form, 1 no translation, 3 by --min-seconds$/,
  );
  expect(readdirSync(folder)).not.toContain('new');
  const prepared = await prepareCorpus(fleurs, source, output, { from: ['tl'], to: ['zh'], limit: 1 });
  expect([[...prepared.clips], prepared.seconds]).toEqual([[['tl/test', 1]], 1.5]);
  expect(readFileSync(output, 'utf8')).toBe(
    'audio\tlang\tset\tkey\ttext\ttext_zh\tduration_s\tgender\n' +
      '../../fleurs/fil_ph/audio/test/a.wav\ttl\ttest\t8\tWalo\t八\t1.500\tmale\n',
  );
  expect(readdirSync(dirname(output))).toEqual(['m.tsv']);
});

test('an interrupted reading ends with its reason, and leaves nothing', async () => {
  const rows = Array.from({ length: 3000 }, (_, i) => [`${i}.mp3`, 'x', 'train']);
  const long = file('covost_v2.en_ca.tsv', ['path', 'translation', 'split'], ...rows);
  const output = join(folder, 'interrupted/m.tsv');
  const reason = new Error('stopped');
  const work = { signal: AbortSignal.abort(reason) };
  await expect(prepareCorpus(covost, [long], output, { clips }, work)).rejects.toBe(reason);
  expect(readdirSync(folder)).not.toContain('interrupted');
});
