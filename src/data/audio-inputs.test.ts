import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { Readable } from 'node:stream';
import { afterAll, expect, test } from 'vitest';
import { audioInputsOrErrors } from './audio-inputs.ts';

const folder = mkdtempSync(join(tmpdir(), 'inputs-'));
afterAll(() => rmSync(folder, { recursive: true }));

function file(name: string, content = ''): string {
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
