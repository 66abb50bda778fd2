/** Corpora as they are downloaded become manifests that are read back; rows that cannot be used are told, a line each. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { readCovost, readFleurs } from './corpora.ts';
import { readManifest } from './manifest.ts';
import { writeManifest } from './manifest-write.ts';

const folder = mkdtempSync(join(tmpdir(), 'corpora-'));
afterAll(() => rmSync(folder, { recursive: true }));

function file(name: string, ...lines: string[][]): string {
  const path = join(folder, name);
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, lines.map((cells) => `${cells.join('\t')}\n`).join(''));
  return path;
}
const complaints: string[] = [];
const tell = (line: string) => complaints.push(line.replaceAll(`${folder}/`, ''));
const told = () => complaints.splice(0);

for (const name of ['a', 'b', 'c', 'd']) file(`clips/${name}.mp3`);
const clips = join(folder, 'clips');

test('CoVoST 2 as downloaded: splits, sentences from Common Voice, and what is wrong with a row', async () => {
  const covost = file(
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
  const rows = await readCovost([covost], { clips, sentences }, tell);
  expect(told()).toEqual([
    'covost_v2.en_zh-CN.tsv:6: found 2 columns; expected 3 as in the header',
    'covost_v2.en_zh-CN.tsv:4: no recording "gone.mp3" in clips',
    'covost_v2.en_zh-CN.tsv:5: no translation',
    'covost_v2.en_zh-CN.tsv:7: split "other", expected train, dev or test',
  ]);
  const manifest = join(folder, 'manifests/en-zh.tsv');
  await writeManifest(manifest, rows);
  const read = await readManifest(manifest);
  expect(read).toMatchObject([
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
  const covost = file(
    'covost_v2.sv-SE_en.test.tsv',
    ['path', 'sentence', 'translation', 'client_id'],
    ['a.mp3', 'Hej', 'Hello', 'x'],
  );
  expect(await readCovost([covost], { clips }, tell)).toEqual([
    {
      audio: join(clips, 'a.mp3'),
      language: 'sv',
      set: 'test',
      key: 'a',
      text: 'Hej',
      translations: { en: 'Hello' },
    },
  ]);
  const refused = (path: string) => readCovost([path], { clips }, tell);
  await expect(refused(file('covost.tsv', ['path']))).rejects.toThrow(/with the languages in it$/);
  await expect(refused(file('covost_v2.fr_en.tsv', ['path', 'text']))).rejects.toThrow(
    /fr_en\.tsv:1: found no column "translation"; expected path, translation in the header$/,
  );
  await expect(refused(join(folder, 'covost_v2.de_en.tsv'))).rejects.toThrow(
    /found no such file; expected UTF-8 text/,
  );
  await expect(readCovost([covost], { clips: join(folder, 'no') }, tell)).rejects.toThrow(
    /folder of recordings/,
  );
});

test('CoVoST 2 into several languages: one clip with all of them, by codes of Whisper', async () => {
  const row = (target: string, text: string) =>
    file(`covost_v2.en_${target}.tsv`, ['path', 'translation', 'split'], ['a.mp3', text, 'train']);
  const files = [row('sv-SE', 'Hej'), row('zh-CN', '你好'), row('fa', 'سلام'), row('mn', 'Сайн уу')];
  expect(await readCovost(files, { clips }, tell)).toMatchObject([
    { language: 'en', translations: { sv: 'Hej', zh: '你好', fa: 'سلام', mn: 'Сайн уу' } },
  ]);
});

test("FLEURS: joined by sentence, one recording of each or all, Whisper's codes", async () => {
  const row = (id: string, name: string, text: string) => [
    id,
    name,
    text,
    text.toLowerCase(),
    '…',
    '24000',
    'MALE',
  ];
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
  const options = { from: ['fil_ph'], to: ['zh', 'en_us'], sets: ['test'], all: false };
  const rows = await readFleurs(join(folder, 'fleurs'), options, tell);
  expect(told()).toEqual([
    'fleurs/fil_ph/test.tsv:5: expected sentence id, file name, text, and samples in 7 columns',
    'fleurs/fil_ph/test.tsv:1: no recording "gone.wav" in fleurs/fil_ph/audio/test',
    'fleurs/fil_ph/test.tsv:4: sentence 9 is not in zh or en_us',
  ]);
  const audio = (name: string) => join(folder, 'fleurs/fil_ph/audio/test', name);
  const common = { language: 'tl', set: 'test', duration: 1.5 };
  const [eight, seven] = [
    { ...common, audio: audio('a.wav'), key: '8', text: 'Walo', translations: { zh: '八', en: 'Eight' } },
    { ...common, audio: audio('b.wav'), key: '7', text: 'Pito', translations: { zh: '七' } },
  ];
  expect(rows).toEqual([eight, seven]);
  // Without sets those that are there.
  const { sets: _, ...anySet } = options;
  expect(await readFleurs(join(folder, 'fleurs'), anySet, tell)).toEqual(rows);
  told();
  const all = await readFleurs(join(folder, 'fleurs'), { ...options, all: true }, tell);
  expect(all).toEqual([eight, { ...eight, audio: audio('b.wav') }, seven]);
  await expect(readFleurs(join(folder, 'fleurs'), { ...options, to: ['xx'] }, tell)).rejects.toThrow(
    /fleurs: found no folder of "xx"; expected a code such as fr, or one of cmn_hans_cn, en_us, fil_ph$/,
  );
});
