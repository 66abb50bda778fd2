import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { Readable } from 'node:stream';
import { gzipSync } from 'node:zlib';
import { parquetWriteBuffer } from 'hyparquet-writer';
import { packTar } from 'modern-tar';
import { afterAll, expect, test } from 'vitest';
import { archives } from '../audio/gunzipped.ts';
import { wavBytes } from '../audio/wav-write.ts';
import { audioInputsOrErrors } from './audio-inputs.ts';

const folder = mkdtempSync(join(tmpdir(), 'inputs-'));
afterAll(() => rmSync(folder, { recursive: true }));

function file(name: string, content: string | Uint8Array = ''): string {
  mkdirSync(dirname(join(folder, name)), { recursive: true });
  writeFileSync(join(folder, name), content);
  return join(folder, name);
}

/** The error of the only entry. */
async function message(paths: string[], stdin = Readable.from([])): Promise<string> {
  const inputs = await audioInputsOrErrors(paths, { stdin });
  expect(inputs).toHaveLength(1);
  expect(inputs[0]!.error).not.toContain('\n');
  return inputs[0]!.error!.replace(folder, '');
}

const OGG = 'OggS\0\x02AAAAAAAABBBBCCCCDDDD\x01\x13OpusHead';

test('a folder gives each file that is named like sound or video or holds some, and counts the others', async () => {
  const names = [
    'b/2.WAV',
    'b/10.opus',
    'a.mp3',
    'b/deep/er/x.flac',
    'z.ogg',
    'B.oga',
    'call.m4a',
    'film.MKV',
    'c.amr',
  ];
  for (const name of names) file(`corpus/${name}`);
  for (const name of ['recording', 'b/take.001']) file(`corpus/${name}`, OGG);
  for (const name of [
    'readme.txt',
    '._a.mp3',
    '.cache/x.wav',
    'b/list.tsv',
    'wav',
    'x.wav.txt',
    'page.strange',
  ])
    file(`corpus/${name}`);
  file('corpus/page.strange', '<html>');
  mkdirSync(join(folder, 'corpus/empty.wav'));
  const notes: string[] = [];
  const inputs = await audioInputsOrErrors([join(folder, 'corpus')], { onNote: (note) => notes.push(note) });
  expect(inputs.map(({ audio }) => audio)).toEqual(
    [...names, 'recording', 'b/take.001'].map((name) => join(folder, 'corpus', name)).sort(),
  );
  expect(notes.map((note) => note.replace(folder, ''))).toEqual([
    '/corpus: 5 files without sound passed over: b/list.tsv, page.strange, readme.txt, …',
  ]);
});

test('links that go round are not followed', async () => {
  file('round/a.wav');
  try {
    symlinkSync(join(folder, 'round'), join(folder, 'round/again.wav'));
    symlinkSync(join(folder, 'nothing.wav'), join(folder, 'round/broken.wav'));
    symlinkSync(join(folder, 'round/a.wav'), join(folder, 'round/link.wav'));
  } catch {
    return; // a system where links need rights
  }
  expect((await audioInputsOrErrors([join(folder, 'round')])).map(({ audio }) => audio)).toEqual(
    ['a.wav', 'broken.wav', 'link.wav'].map((name) => join(folder, 'round', name)),
  );
});

test('manifests give languages; a path gives a recording once, as often as it is named; files may have any name', async () => {
  const first = file('talks/1.wav');
  const table = file('talks/list.tsv', 'audio\tlang\n1.wav\ten\n2.wav\tfr\n3.wav\t\n1.wav\ten\n');
  const strange = file('talks/recording.bin');
  expect(await audioInputsOrErrors([strange, table, first])).toEqual([
    { audio: strange },
    { audio: first, language: 'en' },
    { audio: join(folder, 'talks/2.wav'), language: 'fr' },
    { audio: join(folder, 'talks/3.wav') },
    { audio: first },
  ]);
});

test('paths from standard input, one a line', async () => {
  const [a, b] = [file('in/a é.wav'), file('in/ b.wav')];
  const bytes = Buffer.from(`${a}\r\n\n${b}`);
  const pieces = Readable.from([bytes.subarray(0, -20), bytes.subarray(-20)]);
  expect(await audioInputsOrErrors(['-'], { stdin: pieces })).toEqual([{ audio: a }, { audio: b }]);
  expect(await message(['-'])).toBe('-: found no lines; expected paths of recordings, one a line');
  expect(await message(['-'], Readable.from(['/none.wav\n']))).toContain('/none.wav: found no such file');
});

test('a missing path is an error of one line', async () => {
  expect(await message([join(folder, 'none.wav')])).toBe(
    '/none.wav: found no such file; expected a recording, a folder of them or a manifest',
  );
  mkdirSync(join(folder, 'hollow'));
  expect(await message([join(folder, 'hollow')])).toBe(
    '/hollow: found no recordings; expected files such as talk.wav, talk.mp3 or talk.m4a',
  );
  file('hollow/notes.txt');
  expect(await message([join(folder, 'hollow')])).toContain(
    'found no recordings (notes.txt); expected files such as',
  );
  expect(await message([file('bad.tsv', 'a,b\n')])).toContain('/bad.tsv:1: found the header');
  expect(await audioInputsOrErrors([])).toEqual([]);
});

test('a path that is missing is an error of its own: the others stay, also in a list', async () => {
  const a = file('kept/a.wav');
  const inputs = await audioInputsOrErrors([a, join(folder, 'none.wav')]);
  expect(inputs.map(({ error }) => error !== undefined)).toEqual([false, true]);
  const listed = await audioInputsOrErrors(['-'], { stdin: Readable.from([`${folder}/no.wav\n${a}\n`]) });
  expect(listed.map(({ error }) => error !== undefined)).toEqual([true, false]);
});

test('a manifest of 130,000 rows: more than a call may have arguments', async () => {
  const rows = Array.from({ length: 130_000 }, (_, i) => `${i}.wav\ten\n`).join('');
  expect(await audioInputsOrErrors([file('many.tsv', `audio\tlang\n${rows}`)])).toHaveLength(130_000);
});

const wav = wavBytes(new Float32Array(1600).fill(0.1));
const member = (name: string, body: Uint8Array | string = wav) => ({
  header: { name, size: body.length },
  body: typeof body === 'string' ? Buffer.from(body) : body,
});
const MEMBERS = [
  member('b/1.wav'),
  { header: { name: 'b/', size: 0, type: 'directory' as const } },
  member('a/2.flac'),
  member('notes.txt', 'x'),
  member('._1.wav', 'x'),
  member('take', OGG),
  { header: { name: 'link.wav', size: 0, type: 'symlink' as const, linkname: 'b/1.wav' } },
];

test.each([
  ['tar', (bytes: Uint8Array) => bytes],
  ['tar.gz', (bytes: Uint8Array) => gzipSync(bytes)],
])('a %s gives its members in their order, by name or by what they hold; the others are counted', async (ending, packed) => {
  archives.folder = join(folder, 'archives');
  const path = file(`all.${ending}`, packed(await packTar(MEMBERS)));
  const notes: string[] = [];
  expect(await audioInputsOrErrors([path], { onNote: (note) => notes.push(note) })).toEqual(
    ['b/1.wav', 'a/2.flac', 'take', 'link.wav'].map((name) => ({ audio: `${path}#${name}` })),
  );
  expect(notes).toEqual([`${path}: 1 file without sound passed over: notes.txt`]);
});

test('a tar that is cut off or damaged gives its whole members, and a line that says so', async () => {
  const bytes = await packTar([member('1.wav'), member('2.wav'), member('3.wav')]);
  const second = 2 * (512 + Math.ceil(wav.length / 512) * 512);
  const cut = file('cut.tar', bytes.subarray(0, second + 600));
  const whole = (path: string) => ['1.wav', '2.wav'].map((name) => ({ audio: `${path}#${name}` }));
  expect(await audioInputsOrErrors([cut])).toEqual([
    ...whole(cut),
    {
      audio: cut,
      error: `${cut}: found the member "3.wav" cut off: 88 of 3244 bytes; expected a whole archive: what stands before it is read`,
    },
  ]);
  const noise = file('noise.tar', Buffer.concat([bytes.subarray(0, second), Buffer.alloc(2000, 'noise')]));
  const [first, next, damage, ...more] = await audioInputsOrErrors([noise]);
  expect([first, next, more]).toEqual([...whole(noise), []]);
  expect(damage!.error).toMatch(/noise\.tar: found no header of a member .* after 2 members; expected a/);
  expect(await message([file('empty.tar', await packTar([member('a.txt', 'x')]))])).toBe(
    '/empty.tar: found no recordings (a.txt); expected members such as talk.wav, talk.mp3 or talk.m4a',
  );
  expect(await message([file('none.tar', 'text, for long enough. '.repeat(60))])).toMatch(
    /^\/none\.tar: found no header/,
  );
});

test('a Parquet table gives the recording of each row; one without recordings names its columns', async () => {
  type Table = Parameters<typeof parquetWriteBuffer>[0];
  const write = (name: string, table: Table) => file(name, new Uint8Array(parquetWriteBuffer(table)));
  const string = { type: 'BYTE_ARRAY', converted_type: 'UTF8', repetition_type: 'OPTIONAL' } as const;
  const path = write('clips.parquet', {
    columnData: [
      { name: 'speech', data: [1, 2].map((i) => ({ bytes: wav, path: `${i}.wav` })) },
      { name: 'text', data: ['a', 'b'] },
    ],
    schema: [
      { name: 'root', num_children: 2 },
      { name: 'speech', num_children: 2, repetition_type: 'OPTIONAL' },
      { name: 'bytes', type: 'BYTE_ARRAY', repetition_type: 'OPTIONAL' },
      { name: 'path', ...string },
      { name: 'text', ...string },
    ],
  });
  expect(await audioInputsOrErrors([path])).toEqual(
    [0, 1].map((row) => ({ audio: `${path}#row=${row}&column=speech` })),
  );
  expect(await message([write('texts.parquet', { columnData: [{ name: 'text', data: ['a'] }] })])).toMatch(
    /^\/texts\.parquet: found the columns text; expected one column of recordings/,
  );
});
