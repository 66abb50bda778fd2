import {
  closeSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, expect, test } from 'vitest';
import { UserError } from '../errors.ts';
import { referenceIn, writtenLanguages } from './clip.ts';
import { manifestRows, readManifest } from './manifest.ts';
import { writeManifest } from './manifest-write.ts';

const folder = mkdtempSync(join(tmpdir(), 'manifest-'));
afterAll(() => rmSync(folder, { recursive: true }));

function manifest(name: string, content: string | Uint8Array): string {
  writeFileSync(join(folder, name), content);
  return join(folder, name);
}

async function message(path: string): Promise<string> {
  const error = await readManifest(path).then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  expect(error).toBeInstanceOf(UserError);
  expect((error as Error).message).not.toContain('\n');
  return (error as Error).message.replace(folder, '');
}

test('columns are found by name, paths resolve against the manifest, other columns are kept', async () => {
  const path = manifest(
    'a.tsv',
    'key\tzh\taudio\tspeaker\tduration_s\tlang\tset\ten\tsource_text\n' +
      'k1\t你好。\tclips/1.ogg\tanna\t2.350\tca\tdev\tHello.\tHola.\n' +
      'k2\t再见。\t/abroad/2.ogg\tbert\t\tca\tdev\tBye.\tAdéu.\n',
  );
  const [first, second] = await readManifest(path);
  expect(first).toEqual({
    audio: join(folder, 'clips/1.ogg'),
    language: 'ca',
    set: 'dev',
    key: 'k1',
    text: 'Hola.',
    translations: { en: 'Hello.', zh: '你好。' },
    duration: 2.35,
    other: { speaker: 'anna' },
  });
  expect(second!.audio).toBe('/abroad/2.ogg');
  expect(second!.duration).toBeNaN();
});

test('translations are columns by language, older names beside them', async () => {
  const path = manifest(
    'texts.tsv',
    'audio\tlang\ttext\ttext_de\ttext_pt-br\ttext_fil\tid\tno\ttext_zh_Hant\n' +
      '1.wav\ten\tHello.\tHallo.\tOlá.\tKumusta.\t7\t8\t電車\n' +
      '2.wav\tde\t\tHallo.\t\t\t\t\t\n',
  );
  const [first, second] = await readManifest(path);
  expect(first).toMatchObject({
    text: 'Hello.',
    translations: { de: 'Hallo.', 'pt-BR': 'Olá.', tl: 'Kumusta.', 'zh-Hant': '電車' },
    other: { id: '7', no: '8' },
  });
  const written = ['de', 'pt', 'pt-PT', 'zh', 'en', 'id'].map((code) => referenceIn(first!, code));
  expect(written).toEqual(['Hallo.', 'Olá.', '', '電車', 'Hello.', '']);
  // What is said may stand in the column of the language spoken.
  expect(second!.text).toBe('Hallo.');
  expect(writtenLanguages([first!])).toEqual(['de', 'pt-BR', 'tl', 'zh-Hant']);
  expect(writtenLanguages([second!])).toEqual([]);
  const [older] = await readManifest(
    manifest('older.tsv', 'audio\tlang\ten\tzh\n1.wav\ten\tHello.\t你好。\n'),
  );
  expect(older).toMatchObject({ text: 'Hello.', translations: { en: 'Hello.', zh: '你好。' }, other: {} });
});

test('what is written is what is read', async () => {
  const path = manifest('older2.tsv', 'audio\tlang\ten\tsource_text\tzh\n1.wav\tca\tHello.\tHola.\t你好。\n');
  const clips = await readManifest(path);
  await writeManifest(join(folder, 'newer.tsv'), clips);
  expect(readFileSync(join(folder, 'newer.tsv'), 'utf8').split('\n')[0]).toBe(
    'audio\tlang\tset\tkey\ttext\ttext_en\ttext_zh\tduration_s',
  );
  expect(await readManifest(join(folder, 'newer.tsv'))).toEqual(clips);
});

test('names of recordings keep their blanks, and rows without one stay without', async () => {
  const path = manifest('blanks.jsonl', '{"audio":" two  blanks.wav "}\n{"text":"alone"}\n');
  const clips = await readManifest(path, { withoutAudio: true });
  await writeManifest(join(folder, 'blanks.tsv'), clips);
  expect(await readManifest(join(folder, 'blanks.tsv'), { withoutAudio: true })).toEqual(clips);
  const [clip] = await readManifest(manifest('tab.jsonl', '{"audio":"a\\tb.wav"}\n'));
  await expect(writeManifest(join(folder, 'tab.tsv'), [clip!])).rejects.toThrow(
    /a\\tb\.wav": found a tab or a line break in the name; expected none/,
  );
});

test('only audio is required', async () => {
  expect(await readManifest(manifest('b.tsv', 'audio\nx.wav\n'))).toEqual([
    {
      audio: join(folder, 'x.wav'),
      language: '',
      set: '',
      key: '',
      text: '',
      translations: {},
      duration: Number.NaN,
      other: {},
    },
  ]);
});

test('byte order mark, Windows line ends and blank lines do not matter', async () => {
  const clips = await readManifest(manifest('c.tsv', '\ufeffaudio\tzh\r\n1.wav\t一\r\n\r\n2.wav\t二\r\n'));
  expect(clips.map((clip) => clip.translations.zh)).toEqual(['一', '二']);
});

test('quotes and backslashes are text', async () => {
  const [clip] = await readManifest(manifest('d.tsv', 'audio\ten\tzh\n1.wav\t"Say \\"hi\\"\t“说\\n”"\n'));
  expect(clip!.translations.en).toBe('"Say \\"hi\\"');
  expect(clip!.translations.zh).toBe('“说\\n”"');
});

test('JSON lines give the same clips as a table', async () => {
  const table = manifest('e.tsv', 'audio\tlang\tduration_s\ttags\n1.wav\ten\t1.5\t["a"]\n');
  const lines = manifest(
    'e.jsonl',
    '{"audio":"1.wav","lang":"en","duration_s":1.5,"zh":null,"tags":["a"]}\n\n',
  );
  expect(await readManifest(lines)).toEqual(await readManifest(table));
});

test('mistakes are reported with file, line, what was found and what was expected', async () => {
  mkdirSync(join(folder, 'folder.tsv'));
  expect(await message(join(folder, 'none.tsv'))).toBe(
    '/none.tsv: found no such file; expected a manifest (.tsv, .csv or .jsonl)',
  );
  expect(await message(join(folder, 'folder.tsv'))).toContain('found a directory');
  expect(await message(manifest('f1.tsv', ''))).toContain('/f1.tsv:1: found the header ""');
  expect(await message(manifest('f2.tsv', 'audio,lang\n1.wav,en\n'))).toBe(
    '/f2.tsv:1: found the header "audio,lang"; expected tab-separated column names with "audio" among them ' +
      '(or path, file, file_name, filename, audio_path, audio_filepath, audio_file, wav, wav_filename); a comma-separated file must be named .csv',
  );
  expect(await message(manifest('f3.tsv', 'audio\tlang\n'))).toBe(
    '/f3.tsv: found no clips; expected at least one',
  );
  expect(await message(manifest('f4.tsv', 'audio\tlang\n1.wav\ten\n2.wav\n'))).toBe(
    '/f4.tsv:3: found 1 columns; expected 2 as in the header',
  );
  expect(await message(manifest('f5.tsv', 'audio\tlang\n\ten\n'))).toBe(
    '/f5.tsv:2: found no "audio"; expected the path of a recording',
  );
  for (const wrong of ['abc', '-1', 'Infinity', '1e999']) {
    expect(await message(manifest('f6.tsv', `audio\tduration_s\n1.wav\t${wrong}\n`))).toBe(
      `/f6.tsv:2: found "duration_s" "${wrong}"; expected seconds such as 2.35`,
    );
  }
  expect(await message(manifest('f7.tsv', 'audio\tzh\taudio\n1\t2\t3\n'))).toContain('"audio" twice');
  expect(await message(manifest('f8.tsv', new Uint8Array([0x61, 0xff, 0xfe, 0x00])))).toContain('not UTF-8');
  expect(await message(manifest('f9.jsonl', '{"audio":"1.wav"}\n{"audio":\n'))).toBe(
    '/f9.jsonl:2: found "{\\"audio\\":"; expected a JSON object',
  );
  expect(await message(manifest('f10.jsonl', '[1]\n'))).toContain('f10.jsonl:1: found "[1]"');
  expect(await message(manifest('f11.jsonl', '{"audio":{"path":"1.wav"}}\n'))).toContain('as "audio"');
});

test('.csv is comma-separated with quotes, as spreadsheets and pandas write it', async () => {
  const path = manifest(
    'a.csv',
    '\ufeffaudio,lang,text,text_de,speaker\r\n' +
      '1.wav,en,"Hello, ""you"".",Hallo.,anna\r\n' +
      '\r\n2.wav,Portuguese,"two\nlines",,5" tape\r\n',
  );
  const [first, second] = await readManifest(path);
  expect(first).toMatchObject({
    audio: join(folder, '1.wav'),
    text: 'Hello, "you".',
    translations: { de: 'Hallo.' },
    other: { speaker: 'anna' },
  });
  expect(second).toMatchObject({ language: 'pt', text: 'two\nlines', other: { speaker: '5" tape' } });
  const semicolons = await readManifest(manifest('b.CSV', 'audio;duration_s;text\n1.wav;2.5;one, two\n'));
  expect(semicolons[0]).toMatchObject({ duration: 2.5, text: 'one, two' });

  expect(await message(manifest('c.csv', 'audio,text\n1.wav,a\n2.wav,"b\n3.wav,c\n'))).toBe(
    '/c.csv:3: found a quotation mark that opens in this row and none that closes it; expected a manifest (.tsv, .csv or .jsonl)',
  );
  expect(await message(manifest('d.csv', 'audio,text\n1.wav,a\n2.wav,"x\ny",b\n'))).toBe(
    '/d.csv:4: found 3 columns; expected 2 as in the header',
  );
  expect(await message(manifest('e.tsv', 'audio,text\n1.wav,a\n'))).toMatch(
    /a comma-separated file must be named \.csv/,
  );
  expect(await message(manifest('f.csv', 'sound,label\n1.wav,a\n'))).toMatch(
    /expected comma-separated column names with "audio" among them \(or path, file,/,
  );
});

test('the columns of Common Voice, of NeMo and of Hugging Face have our meaning where there is none of ours', async () => {
  const common = manifest('cv.tsv', 'client_id\tpath\tsentence\tlocale\n7\ta.mp3\tHola.\tca\n');
  expect((await readManifest(common))[0]).toMatchObject({
    audio: join(folder, 'a.mp3'),
    language: 'ca',
    text: 'Hola.',
    other: { client_id: '7' },
  });
  const nemo = manifest('nemo.jsonl', '{"audio_filepath":"/x/a.wav","text":"hi"}\n');
  expect((await readManifest(nemo))[0]).toMatchObject({ audio: '/x/a.wav', text: 'hi', other: {} });
  const hub = manifest('metadata.csv', 'file_name,transcription\na.wav,hi\n');
  expect((await readManifest(hub))[0]).toMatchObject({ audio: join(folder, 'a.wav'), text: 'hi' });
  const ours = manifest('ours.tsv', 'audio\tpath\tsentence\ttext\na.wav\tb.wav\tone\ttwo\n');
  expect((await readManifest(ours))[0]).toMatchObject({
    audio: join(folder, 'a.wav'),
    text: 'two',
    other: { path: 'b.wav', sentence: 'one' },
  });
});

test('a language may be written by name or by ISO 639; labels that say more stay as they are', async () => {
  const names = ['French', 'por', 'pt_BR', 'en_robot', 'xx', 'nb', 'jw', 'zh-Hant', ''];
  const path = manifest('lang.tsv', `audio\tlang\n${names.map((name) => `a.wav\t${name}`).join('\n')}\n`);
  expect((await readManifest(path)).map(({ language }) => language)).toEqual([
    ...['fr', 'pt', 'pt-BR', 'en_robot', 'xx', 'no', 'jw', 'zh-Hant', ''],
  ]);
});

test.each([
  [
    'nemo.jsonl',
    '{"audio_filepath": "a.wav", "offset": 0, "duration": 3}\n{"audio_filepath": "a.wav", "offset": 3.5, "duration": 2}',
    ['#t=0,3', '#t=3.5,5.5'],
  ],
  ['parts.tsv', 'audio\tstart\tend\na.wav\t0\t1.5\na.wav\t1.5\t4\n', ['#t=0,1.5', '#t=1.5,4']],
  ['parts.csv', 'path,start_time,end_time\na.wav,61,70\n', ['#t=61,70']],
  ['ours.tsv', 'audio\tstart_s\tend_s\na.wav#t=10,20\t1.25\t4\na.wav\t\t\n', ['#t=11.25,14', '']],
  ['lhotse.jsonl', '{"audio": "a.wav", "start": 0.1, "duration": 0.2}', ['#t=0.1,0.3']],
])('columns of times make a row a part of the recording: %s', async (name, content, parts) => {
  const clips = await readManifest(manifest(name, content));
  expect(clips.map(({ audio }) => audio)).toEqual(parts.map((part) => `${join(folder, 'a.wav')}${part}`));
});

test.each([
  ['-1\t2', 'found "start" "-1"; expected seconds such as 2.35'],
  ['x\t2', 'found "start" "x"; expected seconds such as 2.35'],
  ['3\t2', 'found a part from 3 to 2 s ("start", "end"); expected an end after its beginning'],
])('times that are none are one line: %s', async (times, line) => {
  const path = manifest('times.tsv', `audio\tstart\tend\na.wav\t${times}\n`);
  expect(await message(path)).toBe(`/times.tsv:2: ${line}`);
});

test('what a row names in an archive stays as it stands there; its file is looked for beside the manifest', async () => {
  const names = ['a.tar#../x/./y.flac', 'b/c.parquet#row=3&column=audio', 'd.wav#t=1,2'];
  const clips = await readManifest(manifest('places.tsv', `audio\n${names.join('\n')}\n`));
  expect(clips.map(({ audio }) => audio)).toEqual(names.map((name) => `${folder}/${name}`));
});

test('a column like that of a part is kept where there is no pair of it', async () => {
  const session = manifest('session.tsv', 'audio\tstart\na.wav\t17\n');
  expect((await readManifest(session))[0]!.other).toEqual({ start: '17' });
});

test('a row that names a part, written and read again, is the same part', async () => {
  const nemo = manifest(
    'nemo-parts.jsonl',
    '{"audio_filepath":"a.wav","offset":3.5,"duration":2,"spk_id":"anna"}\n',
  );
  const clips = await readManifest(nemo);
  expect(clips[0]).toMatchObject({
    audio: join(folder, 'a.wav#t=3.5,5.5'),
    duration: 2,
    other: { spk_id: 'anna' },
  });
  await writeManifest(join(folder, 'again.tsv'), clips);
  expect(await readManifest(join(folder, 'again.tsv'))).toEqual(clips);
});

test('the names of sets, lengths and sentences of other tools have our meaning; an id is a column like others', async () => {
  const path = manifest('hub.csv', 'file_name,split,duration,sentence_id,id\na.wav,test,1.5,s7,12\n');
  expect((await readManifest(path))[0]).toMatchObject({
    set: 'test',
    duration: 1.5,
    key: 's7',
    other: { id: '12' },
  });
  expect(await message(manifest('length.csv', 'file_name,duration\na.wav,0:03\n'))).toBe(
    '/length.csv:2: found "duration" "0:03"; expected seconds such as 2.35',
  );
});

test.each([
  '.tsv',
  '.csv',
  '.jsonl',
])('a compressed manifest is read as it is uncompressed: %s', async (ending) => {
  const text = ending === '.jsonl' ? '{"audio":"1.wav"}\n{"audio":"2.wav"}\n' : 'audio\n1.wav\n2.wav\n';
  const clips = await readManifest(manifest(`packed${ending}.gz`, gzipSync(text)));
  expect(clips).toEqual(await readManifest(manifest(`packed${ending}`, text)));
  expect(clips).toHaveLength(2);
});

test('rows of a table are given before a fault that follows them is found', async () => {
  const path = manifest('late.csv', `audio,text\n${'1.wav,a\n'.repeat(50_000)}2.wav,"b\n`);
  let rows = 0;
  const reading = (async () => {
    for await (const _ of manifestRows(path)) rows++;
  })();
  await expect(reading).rejects.toThrow(/late\.csv:50002: found a quotation mark/);
  expect(rows).toBe(50_000);
});

test.each([
  ['utf-16le.tsv', Buffer.from('\ufeffaudio\tlang\n', 'utf16le'), 'found UTF-16 text'],
  ['utf-16be.csv', Buffer.from('audio,lang\n', 'utf16le').swap16(), 'found UTF-16 text'],
  ['nuls.tsv', Buffer.alloc(100), ':1: found the header "\\u0000'],
  ['nul.tsv', Buffer.from('audio\na.wav\na\0.wav\n'), ':3: found a NUL in "audio"'],
  ['latin.jsonl', Buffer.from('{"audio":"caf\xe9.wav"}', 'latin1'), ':1: found bytes that are not UTF-8'],
])('a file that is no text is one line: %s', async (name, bytes, expected) => {
  expect(await message(manifest(name, bytes))).toContain(
    `/${name}${expected.startsWith(':') ? '' : ': '}${expected}`,
  );
});

test.each([
  '.tsv',
  '.csv',
  '.jsonl',
])('a line of a gigabyte is one line, in little memory: %s', async (ending) => {
  const path = join(folder, `endless${ending}`);
  const file = openSync(path, 'w');
  // Zeros that take no room on the disk.
  writeSync(file, ending === '.csv' ? 'audio\n"' : 'audio\n', 0);
  writeSync(file, 'end\n', 2 ** 30);
  closeSync(file);
  const before = process.memoryUsage.rss();
  expect(await message(path)).toMatch(/^\/endless\.\w+:[12]: found /);
  expect(process.memoryUsage.rss() - before).toBeLessThan(200e6);
});
