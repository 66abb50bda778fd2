import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { Readable } from 'node:stream';
import { afterAll, expect, test } from 'vitest';
import { UserError } from '../errors.ts';
import { audioInputs } from './audio-inputs.ts';

const folder = mkdtempSync(join(tmpdir(), 'inputs-'));
afterAll(() => rmSync(folder, { recursive: true }));

function file(name: string, content = ''): string {
  mkdirSync(dirname(join(folder, name)), { recursive: true });
  writeFileSync(join(folder, name), content);
  return join(folder, name);
}

async function message(paths: string[], stdin = Readable.from([])): Promise<string> {
  const error = await audioInputs(paths, stdin).catch((thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(UserError);
  expect((error as Error).message).not.toContain('\n');
  return (error as Error).message.replace(folder, '');
}

test('a folder gives its recordings, sorted, and nothing else', async () => {
  const names = ['b/2.WAV', 'b/10.opus', 'a.mp3', 'b/deep/er/x.flac', 'z.ogg', 'B.oga'];
  for (const name of names) file(`corpus/${name}`);
  for (const name of ['readme.txt', '._a.mp3', '.cache/x.wav', 'b/list.tsv', 'wav', 'x.wav.txt'])
    file(`corpus/${name}`);
  mkdirSync(join(folder, 'corpus/empty.wav'));
  expect((await audioInputs([join(folder, 'corpus')])).map(({ audio }) => audio)).toEqual(
    ['B.oga', 'a.mp3', 'b/10.opus', 'b/2.WAV', 'b/deep/er/x.flac', 'z.ogg'].map((name) =>
      join(folder, 'corpus', name),
    ),
  );
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
  expect((await audioInputs([join(folder, 'round')])).map(({ audio }) => audio)).toEqual(
    ['a.wav', 'broken.wav', 'link.wav'].map((name) => join(folder, 'round', name)),
  );
});

test('manifests give languages; a recording named twice comes once; files may have any name', async () => {
  const first = file('talks/1.wav');
  const table = file('talks/list.tsv', 'audio\tlang\n1.wav\ten\n2.wav\tfr\n3.wav\t\n');
  const strange = file('talks/recording.bin');
  expect(await audioInputs([strange, table, first])).toEqual([
    { audio: strange },
    { audio: first, language: 'en' },
    { audio: join(folder, 'talks/2.wav'), language: 'fr' },
    { audio: join(folder, 'talks/3.wav') },
  ]);
});

test('paths from standard input, one a line', async () => {
  const [a, b] = [file('in/a é.wav'), file('in/ b.wav')];
  const bytes = Buffer.from(`${a}\r\n\n${b}`);
  const pieces = Readable.from([bytes.subarray(0, -20), bytes.subarray(-20)]);
  expect(await audioInputs(['-'], pieces)).toEqual([{ audio: a }, { audio: b }]);
  expect(await message(['-'])).toBe('-: found no lines; expected paths of recordings, one a line');
  expect(await message(['-'], Readable.from(['/none.wav\n']))).toContain('/none.wav: found no such file');
});

test('a missing path is an error of one line', async () => {
  expect(await message([join(folder, 'none.wav')])).toBe(
    '/none.wav: found no such file; expected a recording, a folder of them or a manifest',
  );
  mkdirSync(join(folder, 'hollow'));
  expect(await message([join(folder, 'hollow')])).toBe(
    '/hollow: found no recordings; expected files named .wav, .flac, .ogg, .oga, .opus, .mp3',
  );
  expect(await message([file('bad.tsv', 'a,b\n')])).toContain('/bad.tsv:1: found the header');
  expect(await audioInputs([])).toEqual([]);
});
