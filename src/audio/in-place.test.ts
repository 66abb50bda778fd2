import {
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { parquetWriteBuffer } from 'hyparquet-writer';
import { packTar } from 'modern-tar';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { audioInputsOrErrors } from '../data/audio-inputs.ts';
import { writeManifest } from '../data/manifest-write.ts';
import { outputPaths } from '../decoding/formats/transcript-formats.ts';
import { UserError } from '../errors.ts';
import { RecordingMemo } from '../features/recording-memo.ts';
import { audioDuration, audioFingerprint, readAudio } from './audio-file.ts';
import { cellReference, memberReference, parseReference, partReference } from './audio-reference.ts';
import { audioUri } from './audio-uri.ts';
import { archives } from './gunzipped.ts';
import { SAMPLE_RATE } from './sample-rate.ts';

const folder = mkdtempSync(join(tmpdir(), 'in-place-'));
afterAll(() => rmSync(folder, { recursive: true }));
const at = (name: string) => join(folder, name);

/** The formats that corpora come in. */
const FILES = [
  'audio/fixtures/speech.flac',
  'audio/fixtures/22k.mp3',
  'audio/fixtures/pcm16-16k.wav',
  '../samples/gcompris/en/intro_gravity.opus',
].map((path) => fileURLToPath(new URL(`../${path}`, import.meta.url)));

const long = `${'folder of a long name/'.repeat(12)}talk.flac`;

beforeAll(async () => {
  const bytes = FILES.map((file) => readFileSync(file));
  const entries = FILES.map((file, i) => ({
    header: { name: `./en/${basename(file)}`, size: bytes[i]!.length },
    body: bytes[i]!,
  }));
  const other = [
    { header: { name: long, size: bytes[0]!.length }, body: bytes[0]! },
    { header: { name: '../../climbs.flac', size: bytes[0]!.length }, body: bytes[0]! },
    { header: { name: 'link.flac', size: 0, type: 'symlink' as const, linkname: '/etc/passwd' } },
    { header: { name: 'folder/', size: 0, type: 'directory' as const } },
    { header: { name: 'empty.flac', size: 0 }, body: new Uint8Array(0) },
  ];
  writeFileSync(at('clips.tar'), await packTar([...entries, ...other]));
  const table = (name: string, rowGroupSize: number, pageSize?: number) =>
    writeFileSync(
      at(name),
      new Uint8Array(
        parquetWriteBuffer({
          schema: [
            { name: 'root', num_children: 3 },
            { name: 'audio', repetition_type: 'OPTIONAL', num_children: 2 },
            { name: 'bytes', type: 'BYTE_ARRAY', repetition_type: 'OPTIONAL' },
            { name: 'path', type: 'BYTE_ARRAY', converted_type: 'UTF8', repetition_type: 'OPTIONAL' },
            { name: 'flac&mp3', type: 'BYTE_ARRAY', repetition_type: 'OPTIONAL' },
            { name: 'sentence', type: 'BYTE_ARRAY', converted_type: 'UTF8', repetition_type: 'OPTIONAL' },
          ],
          columnData: [
            {
              name: 'audio',
              data: [
                ...bytes.map((one, i) => ({ bytes: one, path: basename(FILES[i]!) })),
                { path: 'only.flac' },
              ],
            },
            { name: 'flac&mp3', data: [...bytes, null] },
            { name: 'sentence', data: ['a', 'b', 'c', 'd', 'e'] },
          ],
          rowGroupSize,
          ...(pageSize !== undefined && { pageSize }),
        }),
      ),
    );
  table('clips.parquet', 2);
  table('pages.parquet', 5, 1024);
});

/** Bit by bit; `toEqual` takes seconds. */
function expectSame(found: Float32Array, expected: Float32Array): void {
  const bytes = ({ buffer, byteOffset, byteLength }: Float32Array) =>
    Buffer.from(buffer, byteOffset, byteLength);
  expect(bytes(found).equals(bytes(expected))).toBe(true);
}

async function message(work: Promise<unknown>): Promise<string> {
  const error = await work.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  expect(error).toBeInstanceOf(UserError);
  expect((error as Error).message).not.toContain('\n');
  return (error as Error).message.replaceAll(`${folder}/`, '');
}

test.each(
  FILES.map((file, row) => ({ file, row })),
)('through a tar, a Parquet table and as a part, the samples are those of the file, bit by bit: $row', async ({
  file,
  row,
}) => {
  const whole = await readAudio(file);
  const places = [
    memberReference(at('clips.tar'), `./en/${basename(file)}`),
    cellReference(at('clips.parquet'), row),
    cellReference(at('clips.parquet'), row, 'flac&mp3'),
    cellReference(at('pages.parquet'), row),
  ];
  for (const place of places) {
    expectSame(await readAudio(place), whole);
    expect(await audioDuration(place)).toBe(await audioDuration(file));
    expect(await audioFingerprint(place)).toBe(await audioFingerprint(file));
  }
  const [from, to] = [0.0501, 0.2];
  const slice = whole.subarray(Math.round(from * SAMPLE_RATE), Math.round(to * SAMPLE_RATE));
  for (const place of [file, ...places]) {
    const part = partReference(place, { from, to });
    expectSame(await readAudio(part), slice);
    expect(await audioDuration(part)).toBe(slice.length / SAMPLE_RATE);
    // A part of the part.
    const inner = await readAudio(part, { from: 0.05, to: 0.1 });
    expectSame(inner, slice.subarray(0.05 * SAMPLE_RATE, 0.1 * SAMPLE_RATE));
  }
});

test('a file whose own name reads like a reference is that file', async () => {
  mkdirSync(at('a.tar#b'));
  for (const name of ['song #1.flac', 'x.flac#t=1,2', 'a.tar#b/c.flac', 'y#row=1']) {
    copyFileSync(FILES[0]!, at(name));
    expectSame(await readAudio(at(name)), await readAudio(FILES[0]!));
    const part = await readAudio(`${at(name)}#t=0.1,0.2`);
    expect(part.length).toBe(1600);
  }
});

test('names are only names: long ones are found, those that climb out are read and nothing is written', async () => {
  const samples = await readAudio(FILES[0]!);
  expectSame(await readAudio(memberReference(at('clips.tar'), long)), samples);
  const climbs = memberReference(at('clips.tar'), '../../climbs.flac');
  expectSame(await readAudio(climbs), samples);
  const [output] = outputPaths([`${climbs}#t=1.5,2`], '/results');
  expect(output).toBe('/results/climbs-1.5-2');
});

test('parts of one recording get results of their own, and one of equal times is found twice', () => {
  const parts = [
    'a/talk.wav#t=1,2.5',
    'a/talk.wav#t=1,2.7',
    'a/talk.wav',
    'a/t.tar#talk.wav',
    'a/t.parquet#row=3',
  ];
  expect(outputPaths(parts, 'out')).toEqual([
    ...['out/talk-1-2.5', 'out/talk-1-2.7', 'out/talk', 'out/t/talk', 'out/t-3'].map((path) =>
      expect.stringContaining(path.slice(4)),
    ),
  ]);
  expect(() => outputPaths(['talk.wav#t=1,2', 'talk.wav#t=1,2'], 'out')).toThrow('found it twice');
});

test.each([
  [
    'clips.tar#nothing.flac',
    'clips.tar: found no member "nothing.flac" among 9; expected one of its names, as `tar -tf` prints them (./ before it, perhaps)',
  ],
  ['clips.tar#link.flac', 'clips.tar: found the member "link.flac", a link; expected a regular file'],
  ['clips.tar#folder/', 'clips.tar: found the member "folder/", a folder; expected a regular file'],
  [
    'clips.tar#empty.flac',
    expect.stringMatching(/^clips.tar#empty.flac: found an empty member; expected an audio file/),
  ],
  ['none.tar#a.flac', 'none.tar: found no such file; expected a tar archive'],
  ['clips.parquet#row=5', 'clips.parquet: found 5 rows; expected row 5, counted from 0, among them'],
  [
    'clips.parquet#row=4',
    'clips.parquet: row 4: found no bytes (only the path "only.flac") in the column "audio"; expected the bytes of a recording',
  ],
  [
    'clips.parquet#row=4&column=flac%26mp3',
    'clips.parquet: row 4: found nothing in the column "flac&mp3"; expected the bytes of a recording',
  ],
  [
    'clips.parquet#row=0&column=sentence',
    'clips.parquet: row 0: found a string in the column "sentence"; expected the bytes of a recording',
  ],
  [
    'clips.parquet#row=0&column=speech',
    'clips.parquet: found the columns audio, flac&mp3, sentence; expected "speech" among them',
  ],
  [
    'clips.parquet#row=x',
    'clips.parquet#row=x: found "row=x"; expected a row, counted from 0, and a column: #row=12&column=audio',
  ],
  [
    'clips.parquet#row=1&rows=2',
    'clips.parquet#row=1&rows=2: found "row=1&rows=2"; expected a row, counted from 0, and a column: #row=12&column=audio',
  ],
  [
    'clips.tar#row=1',
    'clips.tar: found no member "row=1" among 9; expected one of its names, as `tar -tf` prints them (./ before it, perhaps)',
  ],
  [
    'a.flac#t=1:30,2',
    'a.flac#t=1:30,2: found the times "1:30,2"; expected seconds from and to: #t=12.5,17.2',
  ],
  ['a.flac#t=2,1', 'a.flac#t=2,1: found a part from 2 to 1 s; expected an end after its beginning'],
  ['a.flac#t=', 'a.flac#t=: found the times ""; expected seconds from and to: #t=12.5,17.2'],
  [
    'speech.flac#t=90,91',
    expect.stringMatching(
      /^speech.flac#t=90,91: found a recording of .* s; expected a longer one: the clip begins at 90 s$/,
    ),
  ],
])('what is not there is one line: %s', async (place, line) => {
  copyFileSync(FILES[0]!, at('speech.flac'));
  expect(await message(readAudio(at(place)))).toEqual(line);
});

test('what is no table or archive is one line', async () => {
  copyFileSync(FILES[0]!, at('false.parquet'));
  copyFileSync(FILES[0]!, at('false.tar'));
  expect(await message(readAudio(at('false.parquet#row=0')))).toBe(
    'false.parquet: found what does not read as Parquet (parquet file invalid (footer != PAR1)); expected a Parquet table',
  );
  expect(await message(readAudio(at('false.tar#a')))).toBe(
    'false.tar: found no header of a member (its checksum is wrong) at its beginning; expected a tar archive',
  );
  const bytes = readFileSync(at('clips.tar'));
  writeFileSync(at('cut.tar'), bytes.subarray(0, 1500));
  expect(await message(readAudio(at('cut.tar#./en/speech.flac')))).toMatch(
    /^cut.tar: found the member ".\/en\/speech.flac" cut off: 988 of \d+ bytes; expected a whole archive$/,
  );
});

test('a tar.gz is decompressed once into the cache; a bomb, damage and no cache are one line each', async () => {
  archives.folder = at('archives');
  const notes: string[] = [];
  archives.onNote = (note) => notes.push(note.replaceAll(`${folder}/`, ''));
  writeFileSync(at('clips.tgz'), gzipSync(readFileSync(at('clips.tar'))));
  const members = FILES.map((file) => memberReference(at('clips.tgz'), `./en/${basename(file)}`));
  const read = await Promise.all(members.map((member) => readAudio(member)));
  for (const [i, file] of FILES.entries()) expectSame(read[i]!, await readAudio(file));
  expect(notes.map((note) => note.replace(/-[0-9a-f]{16}/, ''))).toEqual([
    'clips.tgz: decompressing it once to archives/clips.tar; a .tar would be read in place',
    expect.stringMatching(/^clips.tgz: \d+ kB in archives\/clips.tar$/),
  ]);
  expect(readdirSync(at('archives')).length).toBe(1);
  expect(await message(readAudio(`${at('clips.tgz')}#x`))).toMatch(
    /^clips.tgz: found no member "x" among 9;/,
  );

  writeFileSync(at('bomb.tar.gz'), gzipSync(Buffer.alloc(80_000_000)));
  expect(await message(readAudio(`${at('bomb.tar.gz')}#x`))).toMatch(
    /^bomb.tar.gz: found more than 68\.\d MB in \d+ kB of gzip; expected at most 20 times its size: a decompression bomb\?/,
  );
  writeFileSync(at('cut.tgz'), readFileSync(at('clips.tgz')).subarray(0, 20_000));
  expect(await message(readAudio(`${at('cut.tgz')}#x`))).toMatch(
    /^cut.tgz: found damaged gzip after \d+ kB \(unexpected end of file\); expected a tar.gz$/,
  );
  expect(readdirSync(at('archives')).length).toBe(1);
  archives.folder = undefined;
  expect(await message(readAudio(`${at('cut.tgz')}#x`))).toBe(
    'cut.tgz: found an archive in gzip, which is decompressed into the cache; expected a cache, or a .tar (gunzip)',
  );
});

test('a reference is built as it is read', () => {
  expect(
    parseReference(partReference(memberReference('a.tar.gz', 'b c/d#e.wav'), { from: 1 / 3, to: 2 })),
  ).toEqual({
    ...{ file: 'a.tar.gz', member: 'b c/d#e.wav', part: { from: 0.333333, to: 2 } },
  });
  expect(parseReference(cellReference('a.parquet', 7, 'ä&b#c'))).toEqual({
    ...{ file: 'a.parquet', cell: { row: 7, column: 'ä&b#c' } },
  });
  expect(parseReference('a.wav#t=,3')).toEqual({ file: 'a.wav', part: { from: 0, to: 3 } });
  expect(partReference('a.wav#t=10,20', { from: 5, to: 15 })).toBe('a.wav#t=15,20');
  expect(() => memberReference('a.tar', 'b#t=1,2')).toThrow(UserError);
  expect(() => memberReference('a.zip', 'b')).toThrow(UserError);
});

test('a memo tells parts apart, and knows a member by its content', async () => {
  const memo = await RecordingMemo.open(at('cache'));
  const keyOf = (audio: string) => memo.keyOf({ files: [audio] });
  const file = FILES[0]!;
  const member = memberReference(at('clips.tar'), './en/speech.flac');
  expect(await keyOf(member)).toBe(await keyOf(file));
  const keys = [file, `${file}#t=0,0.1`, `${file}#t=0,0.2`, `${file}#t=0.1,0.2`];
  expect(new Set(await Promise.all(keys.map(keyOf))).size).toBe(4);
  expect(await keyOf(`${member}#t=0.1,0.2`)).toBe(await keyOf(`${file}#t=0.10,0.2000`));
  expect(await memo.samplesOf(`${member}#t=0.1,0.2`)).toBe(1600);
  await memo.flush();
  const again = await RecordingMemo.open(at('cache'));
  expect(await again.knownKeyOf({ files: [`${member}#t=0.1,0.2`] })).toBe(await keyOf(`${file}#t=0.1,0.2`));
});

test('on the command line, in a manifest and on a page', async () => {
  const member = memberReference(at('clips.tar'), './en/speech.flac');
  const inputs = await audioInputsOrErrors([
    `${member}#t=0.1,0.2`,
    at('clips.parquet#row=x'),
    at('none.tar#a'),
  ]);
  expect(inputs.map(({ error }) => error?.replaceAll(`${folder}/`, ''))).toEqual([
    undefined,
    'clips.parquet#row=x: found "row=x"; expected a row, counted from 0, and a column: #row=12&column=audio',
    'none.tar#a: found no such file; expected a recording, a folder of them or a manifest',
  ]);
  const row = { language: 'en', set: '', key: '1' };
  await writeManifest(at('m/clips.tsv'), [{ audio: at('clips.tar#../x.wav#t=1,2'), ...row }]);
  expect(readFileSync(at('m/clips.tsv'), 'utf8')).toContain('\n../clips.tar#../x.wav#t=1,2\t');
  expect(await audioUri(`${member}#t=0.1,0.2`)).toEqual({
    uri: expect.stringContaining('data:audio/wav;base64,'),
  });
});
