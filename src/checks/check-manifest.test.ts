/** Every fault that a check names is found in a manifest that has it, and none where there is none. */
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, expect, test, vi } from 'vitest';
import { readAudio } from '../audio/audio-file.ts';
import { toPcm16, wavBytes } from '../audio/wav-write.ts';
import { THREADS_VARIABLE } from '../backend/threads.ts';
import type { Clip } from '../data/clip.ts';
import { readManifest } from '../data/manifest.ts';
import { pseudo } from '../testing/tiny-model.ts';
import { type CheckedManifest, checkManifest } from './check-manifest.ts';
import { FINDING_KINDS } from './kinds.ts';
import { writeCheckPage } from './page.ts';
import { writeCleaned } from './write-cleaned.ts';

const scratch = mkdtempSync(join(tmpdir(), 'check-'));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));
mkdirSync(join(scratch, 'a'));

const samples = (await readManifest('samples/manifest.tsv')).filter(
  ({ set, language }) => set === 'train' && language === 'en',
);
let taken = 0;
/** The next sample that no row has yet. */
const another = (): Clip => samples[taken++]!;

/** Runs with as many threads as the user asks for. */
async function withThreads<T>(threads: string, work: () => Promise<T>): Promise<T> {
  vi.stubEnv(THREADS_VARIABLE, threads);
  try {
    return await work();
  } finally {
    vi.unstubAllEnvs();
  }
}

/** Each row's key is the fault that it has; '' in `audio`: the sample's. */
type Row = Partial<Record<'audio' | 'lang' | 'set' | 'text' | 'text_zh' | 'duration_s' | 'speaker', string>>;
const rows: (Row & { key: string })[] = [];
const row = (key: string, change: Row = {}): Clip => {
  const clip = another();
  rows.push({
    key: `${key} ${rows.length}`,
    audio: resolve(clip.audio),
    lang: 'en',
    set: 'train',
    text: clip.text,
    text_zh: clip.translations.zh!,
    duration_s: '',
    speaker: '',
    ...change,
  });
  return clip;
};
const write = (name: string, bytes: Uint8Array): string => {
  writeFileSync(join(scratch, 'a', name), bytes);
  return `a/${name}`;
};
const changed = async (name: string, change: (samples: Float32Array) => Float32Array): Promise<string> =>
  write(name, wavBytes(change(await readAudio(samples[taken]!.audio))));

/** The same samples in Sun's container, which knows no other order of bytes than the largest first. */
function auBytes(sound: Float32Array): Buffer {
  const bytes = Buffer.alloc(24 + 2 * sound.length);
  [0x2e736e64, 24, 2 * sound.length, 3, 16_000, 1].forEach((value, i) => bytes.writeUInt32BE(value, 4 * i));
  sound.forEach((value, i) => bytes.writeInt16BE(toPcm16(value), 24 + 2 * i));
  return bytes;
}

async function writeFaults(): Promise<void> {
  for (let i = 0; i < 55; i++) row(`right ${i}`);
  // Recordings.
  row('missing', { audio: 'a/none.wav' });
  row('unreadable', { audio: write('text.wav', Buffer.from('this is no sound')) });
  const whole = wavBytes(await readAudio(samples[taken]!.audio));
  row('damaged', { audio: write('cut.wav', whole.subarray(0, 0.7 * whole.length)) });
  row('silent', { audio: await changed('silent.wav', (sound) => sound.fill(0)) });
  row('no-speech', {
    audio: await changed('noise.wav', (sound) => pseudo(sound.length, 1, 0.1)),
  });
  row('clipped', { audio: await changed('loud.wav', (sound) => sound.map((value) => 6 * value)) });
  row('quiet', { audio: await changed('quiet.wav', (sound) => sound.map((value) => value / 100)) });
  row('dc-offset', { audio: await changed('offset.wav', (sound) => sound.map((value) => value + 0.1)) });
  row('too-short', {
    audio: await changed('short.wav', (sound) => sound.slice(8000, 10_400)),
    text: 'I',
    text_zh: '我',
  });
  const long = (sound: Float32Array): Float32Array =>
    Float32Array.from({ length: 31 * 16_000 }, (_, i) => sound[i % sound.length]!);
  row('too-long', {
    audio: await changed('long.wav', long),
    text: `${'I take a bath almost every day. '.repeat(17)}`,
    text_zh: '我几乎每天洗澡。'.repeat(16),
  });
  row('duration', { duration_s: '9.5' });
  row('rate', {
    text: samples
      .slice(100, 109)
      .map(({ text }) => text)
      .join(' '),
    text_zh: samples
      .slice(100, 109)
      .map(({ translations }) => translations.zh)
      .join(''),
  });
  const twice = row('right twice');
  copyFileSync(twice.audio, join(scratch, 'a', 'copy.opus'));
  rows.push({ ...rows.at(-1)!, key: `duplicate ${rows.length}`, audio: 'a/copy.opus' });
  const sound = await readAudio(samples[taken]!.audio);
  const contained = row('right contained', { audio: write('one.wav', wavBytes(sound)) });
  rows.push({ ...rows.at(-1)!, key: `duplicate ${rows.length}`, audio: write('one.au', auBytes(sound)) });
  expect(contained.text).not.toBe(twice.text);
  row('right spoken');
  rows.push({
    ...rows.at(-1)!,
    key: `recording-texts ${rows.length}`,
    text: 'Nobody said this in here.',
    text_zh: '这里没有人这样说。',
  });
  // Texts.
  row('no-text', { text: '', text_zh: '' });
  row('no-text', { text: '…', text_zh: 'NaN' });
  row('script', { text_zh: 'Das steht in der falschen Spalte.' });
  row('language', { text: 'Das ist ein Satz in einer anderen Sprache als der englischen.' });
  row('script', { text_zh: 'これは日本語で書かれた文章です。' });
  row('markup', { text: 'He said <i>nothing</i> at all.' });
  row('markup', { text: 'He said \\"no\\" to all of that.' });
  row('markup', { text: 'Salt &amp; pepper are on the table.' });
  row('control', { text: 'He said\u0007 nothing at all today.' });
  row('mojibake', { text: 'I donâ€™t know what he said.' });
  row('mojibake', { text: 'The caf\ufffd is closed today.' });
  row('ratio', {
    text_zh: samples
      .slice(200, 230)
      .map(({ translations }) => translations.zh)
      .join(''),
  });
  row('empty-column', { text_zh: '' });
  // Among rows.
  row('right again');
  rows.at(-1)!.key = rows[3]!.key;
  const tested = row('right test', { set: 'test' });
  rows.push({ ...rows.at(-1)!, key: `recording-in-sets ${rows.length}`, set: 'train' });
  row('sentence-in-sets', { text: `${tested.text.toUpperCase()}!`, text_zh: tested.translations.zh! });
  row('speaker-in-sets', { speaker: 'anna' });
  row('right speaker', { speaker: 'anna', set: 'test' });
}

const COLUMNS = ['audio', 'lang', 'set', 'key', 'text', 'text_zh', 'duration_s', 'speaker'] as const;
const manifest = join(scratch, 'faults.tsv');

let checked: CheckedManifest;

test('one clip of each fault: each is found, none is invented, and the cleaned manifest has no error', async () => {
  await writeFaults();
  const lines = rows.map((one) => COLUMNS.map((name) => one[name] ?? '').join('\t'));
  writeFileSync(manifest, `${COLUMNS.join('\t')}\n${lines.join('\n')}\ncut off\n`);
  checked = await withThreads('2', () => checkManifest(manifest));
  const found = checked.findings
    .byKind()
    .flatMap(({ kind, listed }) =>
      listed.map(({ line }) => `${kind}: ${rows[line - 2]?.key.split(' ')[0] ?? 'row'}`),
    );
  const expected = rows.map(({ key }) => key.split(' ')[0]!).filter((key) => key !== 'right');
  expect(found.sort()).toEqual(
    [...expected.map((key) => `${key}: ${key}`), 'key-texts: right', 'row: row'].sort(),
  );

  await writeCheckPage(checked, join(scratch, 'page'));
  const page = readFileSync(join(scratch, 'page', 'index.html'), 'utf8');
  expect(page).toContain('data:audio/ogg;base64,');
  expect(page).toContain('He said &lt;i&gt;nothing&lt;/i&gt; at all.');
  expect(page).not.toContain('<i>');

  const output = join(scratch, 'other', 'cleaned.tsv');
  const cleaned = await writeCleaned(checked, output);
  const again = await checkManifest(output);
  expect(again.errors).toBe(0);
  expect(again.warnings).toBe(checked.warnings);
  expect(cleaned.kept).toBe(again.rows);
  expect(cleaned.kept + cleaned.dropped).toBe(rows.length + 1);
  expect(
    readFileSync(cleaned.droppedPath, 'utf8')
      .split('\n')
      .filter((line) => /^\d+,/.test(line)),
  ).toHaveLength(cleaned.dropped);
});

test('threads find what one finds, in the same order', async () => {
  const one = await withThreads('1', () => checkManifest(manifest));
  expect(checked.table.count).toBeGreaterThan(64);
  expect(checked.findings.byKind()).toEqual(one.findings.byKind());
  expect(checked.table.columns).toEqual(one.table.columns);
});

test('a check by threads that is stopped ends, and another one goes on', async () => {
  const cache = join(scratch, 'stopped');
  const stop = new AbortController();
  const onProgress = ({ stage, done }: { stage: string; done: number }): void => {
    if (stage === 'reading recordings' && done >= 40) stop.abort(new Error('stopped'));
  };
  await expect(checkManifest(manifest, { cache, onProgress, signal: stop.signal })).rejects.toThrow(
    'stopped',
  );
  const after = await checkManifest(manifest, { cache });
  expect(after.findings.byKind()).toEqual(checked.findings.byKind());
});

test('a text in the language that it should be translated into', async () => {
  const path = join(scratch, 'untranslated.tsv');
  writeFileSync(
    path,
    'audio\tlang\ttext\ttext_de\na.wav\ten\tThis is what he said.\tthis is what he said\nb.wav\ten\tNew York\tNew York\n',
  );
  const { findings } = await checkManifest(path, { audio: false });
  expect(findings.byKind().map(({ kind, count }) => [kind, count])).toEqual([['untranslated', 1]]);
});

test.each([
  ['de', 'Das Café an der Straße: „Ä“, Ö und ÜBER – 5 € für zwei.'],
  ['fr', 'LIBERTÉ\u00a0! ÉGALITÉ\u00a0? «\u00a0L’ÎLE\u00a0» à Noël, où…'],
  ['pt', 'NÃO É «MANHû AINDA.'],
  ['sv', 'Ängar och åar i Å – det är fint där.'],
  ['vi', 'Tôi không biết anh ấy đã nói gì với cô ấy.'],
  ['ru', 'Он сказал, что придёт завтра утром.'],
  ['sr', 'Rekao je da će doći sutra ujutru kod nas.'],
  ['hi', 'उसने कहा कि वह कल सुबह आएगा।'],
  ['fa', 'او گفت که فردا صبح می\u200cآید.'],
  ['th', 'เขาบอก\u200bว่าจะมาพรุ่งนี้'],
  ['ja', 'AIを使ってYouTubeの動画を見た。'],
  ['zh', '他说 OK，明天见。'],
  ['zh', 'Tom帮Mary买了点果汁。'],
  ['ga', 'Dúirt sé go dtiocfadh sé amárach.'],
  ['en', 'AT&T and R&D: 3 < 5 > 2, <3 it; "yes" and no; rock ’n’ roll [laughs].'],
])('nothing is wrong with %s: %s', async (language, text) => {
  const path = join(scratch, 'right.jsonl');
  writeFileSync(path, `${JSON.stringify({ audio: 'a.wav', lang: language, text })}\n`);
  const { findings } = await checkManifest(path, { audio: false });
  expect(findings.byKind().flatMap(({ listed }) => listed)).toEqual([]);
});

test('a check that was stopped goes on: recordings that were read are not read again', async () => {
  const path = join(scratch, 'resumed.tsv');
  const cache = join(scratch, 'cache');
  const copies = samples.slice(0, 3).map(({ audio }, i) => {
    copyFileSync(audio, join(scratch, `copy${i}.opus`));
    return `copy${i}.opus\ten\tsome text of ${i}`;
  });
  writeFileSync(path, `audio\tlang\ttext\n${copies.join('\n')}\n`);
  const first = await checkManifest(path, { cache });
  const started = performance.now();
  const second = await checkManifest(path, { cache });
  expect(performance.now() - started).toBeLessThan(1000);
  expect(second.findings.byKind()).toEqual(first.findings.byKind());
  expect(second.seconds).toBe(first.seconds);
  expect(second.seconds).toBeGreaterThan(3);
});

test.each(['tsv', 'csv', 'jsonl'])('a wrong duration is corrected, and told: %s', async (format) => {
  const path = join(scratch, `durations.${format}`);
  const [one, two, three] = samples.slice(0, 3) as [Clip, Clip, Clip];
  const rows = [
    { audio: one.audio, duration: 100.5, text: 'One of them, "wrong".' },
    { audio: two.audio, duration: Number(two.duration.toFixed(3)), text: 'The second is right.' },
    { audio: three.audio, duration: 0.25, text: '' },
  ];
  const quoted = (text: string) => `"${text.replaceAll('"', '""')}"`;
  const lines = rows.map((row) =>
    format === 'jsonl'
      ? JSON.stringify(row)
      : format === 'csv'
        ? `${row.audio},${row.duration},${quoted(row.text)}`
        : Object.values(row).join('\t'),
  );
  const header = { tsv: 'audio\tduration\ttext\n', csv: 'audio,duration,text\n', jsonl: '' }[format];
  writeFileSync(path, `${header}${lines.join('\n')}\n`);
  const output = join(scratch, `durations-cleaned.${format}`);
  const cleaned = await writeCleaned(await checkManifest(path), output);
  // The last one has no text either.
  expect(cleaned).toMatchObject({ kept: 2, dropped: 1, corrected: 1 });
  const [first, second] = await readManifest(output);
  expect(first!.duration).toBeCloseTo(one.duration, 1);
  expect(first!.text).toBe(rows[0]!.text);
  expect(second!.duration).toBe(rows[1]!.duration);
  expect(readFileSync(cleaned.correctedPath!, 'utf8')).toMatch(
    /^line,duration_s,corrected,audio\n\d,100\.5,\d\.\d{3},/,
  );
});

test('translations and recordings that machines made are counted, by who made them', async () => {
  const path = join(scratch, 'machine-made.tsv');
  const row = (text: string, pseudo: string, synthetic: string) =>
    `a.wav\ten\tOne of some.\t${text}\t${pseudo}\t${synthetic}\n`;
  writeFileSync(
    path,
    `audio\tlang\ttext\ttext_deu\tpseudo_deu\tsynthetic\n${row('Eins.', 'qwen3', '')}${row('Zwei.', '', 'flite')}${row('', 'qwen3', '')}${row('Drei.', 'deepl', '')}${row('Vier.', 'qwen3', '')}`,
  );
  const { machineMade } = await checkManifest(path, { audio: false });
  expect(machineMade).toEqual([
    { column: 'text_de', clips: 3, of: 4, by: ['qwen3', 'deepl'] },
    { column: 'audio', clips: 1, of: 5, by: ['flite'] },
  ]);
});

test('kinds fit into the mask of a row', () => {
  expect(FINDING_KINDS.length).toBeLessThanOrEqual(31);
});
