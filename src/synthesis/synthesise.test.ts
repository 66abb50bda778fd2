/** A corpus of text alone, with the real engine: the same again whatever happened between, and nothing dropped without a word. */
import { execFile, spawn, spawnSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, expect, test, vi } from 'vitest';
import { readAudio } from '../audio/audio-file.ts';
import { readManifest } from '../data/manifest.ts';
import { UserError } from '../errors.ts';
import { fingerprint } from '../files/fingerprint.ts';
import { baseModel } from '../testing/base-model.ts';
import { flite } from './engines/flite.ts';
import { readBack } from './read-back.ts';
import type { SynthesisRecord } from './recorder.ts';
import { SpeakingThreads, UnspokenSentence } from './speaking-threads.ts';
import { Synthesis, type SynthesisOptions, synthesise } from './synthesise.ts';

const scratch = mkdtempSync(join(tmpdir(), 'synthesise-'));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));
const path = (name: string): string => fileURLToPath(new URL(name, import.meta.url));

function pairs(name: string, lines: readonly string[]): string {
  const file = join(scratch, name);
  writeFileSync(file, `${lines.join('\n')}\n`);
  return file;
}
/** Forty short sentences: two batches. */
const sentences = pairs('pairs.tsv', [
  'text_en\ttext_zh',
  ...Array.from({ length: 40 }, (_, i) => `He has ${i + 2} cats.\t他有${i + 2}只猫。`),
]);
const options = (output: string, more: Partial<SynthesisOptions> = {}): SynthesisOptions => ({
  pairs: sentences,
  from: 'en',
  to: ['zh'],
  output: join(scratch, output),
  voices: ['flite/kal16'],
  ...{ seed: 1, rooms: 0.5, noise: 0.5, maxErrorRate: undefined },
  ...more,
});
const contents = (folder: string): Record<string, string> =>
  Object.fromEntries(
    readdirSync(folder, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map(({ parentPath, name }) => join(parentPath, name))
      .sort()
      .map((file) => [file.slice(folder.length), fingerprint(readFileSync(file), 16)]),
  );

test('a run that is killed and run again ends with the bytes of one that was not; so do batches in any order', async () => {
  const whole = await synthesise(options('whole'));
  expect(whole.kept).toBe(40);
  const killed = join(scratch, 'killed');
  const args = ['synthesise', sentences, '--from', 'en', '--to', 'zh', '--output', killed, '--no-check'];
  args.push('--voices', 'flite/kal16', '--rooms', '0.5', '--noise', '0.5');
  const command = [path('../../dist/cli/main.js'), ...args];
  await new Promise<void>((resolve) => {
    const child = spawn(process.execPath, command, { stdio: 'ignore' });
    const poll = setInterval(() => {
      // Some recordings are written, not all.
      if (readdirSync(scratch).includes('killed') && readdirSync(killed).includes('clips'))
        child.kill('SIGKILL');
    }, 5);
    child.on('exit', () => {
      clearInterval(poll);
      resolve();
    });
  });
  const again = await new Promise<string>((resolve, reject) =>
    execFile(process.execPath, command, (error, stdout) => (error ? reject(error) : resolve(stdout))),
  );
  expect(again).toContain('40 of 40 recordings');
  expect(contents(killed)).toEqual(contents(join(scratch, 'whole')));

  const synthesis = await Synthesis.open(options('batches'));
  try {
    expect(synthesis.count).toBe(40);
    const batches: SynthesisRecord[][] = [];
    for await (const batch of synthesis.batches([32, 0], 40)) batches.unshift(batch);
    const lines = batches
      .flat()
      .map((record) => `${JSON.stringify(record)}\n`)
      .join('');
    expect(lines).toBe(readFileSync(join(scratch, 'whole', 'results.jsonl'), 'utf8'));
  } finally {
    await synthesis.close();
  }
});

test('nothing stays in the folder of temporary files', async () => {
  const temporary = join(scratch, 'temporary');
  mkdirSync(temporary);
  vi.stubEnv('TMPDIR', temporary);
  try {
    expect((await synthesise(options('tidy', { limit: 2 }))).kept).toBe(2);
  } finally {
    vi.unstubAllEnvs();
  }
  expect(readdirSync(temporary)).toEqual([]);
});

test('the manifest names what is synthetic, and how it was spoken; its recordings are read by their paths', async () => {
  const { manifest } = await synthesise(options('marked', { limit: 6, perText: 2 }));
  const clips = await readManifest(manifest);
  expect(clips).toHaveLength(12);
  for (const { audio, language, set, text, translations, duration, other } of clips) {
    expect({ language, set }).toEqual({ language: 'en', set: 'train' });
    expect(translations.zh).toBe(`他有${/\d+/.exec(text)![0]}只猫。`);
    expect(other).toMatchObject({ synthetic: 'flite', voice: 'flite/kal16' });
    expect(Number(other.rate)).toBeGreaterThanOrEqual(0.85);
    expect((await readAudio(audio)).length / 16_000).toBeCloseTo(duration, 3);
  }
  // Two of each text, which differ.
  expect(new Set(clips.map(({ key }) => key)).size).toBe(6);
  expect(new Set(clips.map(({ audio }) => audio)).size).toBe(12);
  await expect(synthesise(options('marked', { limit: 6, perText: 2, noise: 0 }))).rejects.toThrow(
    /settings\.json: found recordings with noise 0\.5, now 0; expected the same settings, or another --output/,
  );
});

test('texts that no voice reads are named with their line, counted, and not spoken', async () => {
  const lines: string[] = [];
  const file = pairs('unreadable.tsv', [
    'en\tzh',
    'It rains.\t下雨了。',
    'See www.example.com for more.\t看网站。',
    'Привет!\t你好！',
    'I am happy 😀\t我很高兴',
    'It snows.\t',
    '12345\t12345',
    '\t什么都没有',
    `${'word '.repeat(300)}\t太长`,
  ]);
  const summary = await synthesise(options('few', { pairs: file, onSkip: (line) => lines.push(line) }));
  expect(summary.skipped).toEqual({
    'a web or mail address': 1,
    'letters of another script': 1,
    'marks that are not read aloud': 1,
    'no text in zh': 1,
    'no letters': 1,
    'no text': 1,
    'longer than 30 s': 1,
  });
  expect(lines).toContain(`${file}:3: "See www.example.com for more.": a web or mail address`);
  expect(lines).toHaveLength(7);
  expect(summary.kept).toBe(1);
});

test('pitch and rate are what was asked for, and a sentence is the same whatever was spoken before', async () => {
  const threads = new SpeakingThreads(1);
  const voice = { name: 'flite/awb', engine: flite, language: 'en', fixedPitch: false, command: '' };
  const speak = (rate: number, pitch: number) =>
    threads.speak('We were away a year ago.', voice, { rate, pitch });
  try {
    const plain = await speak(1, 1);
    const fast = await speak(1.2, 1);
    const high = await speak(1, 1.2);
    expect(await speak(1, 1)).toEqual(plain);
    expect(plain.samples.length / fast.samples.length).toBeCloseTo(1.2, 1);
    expect(high.samples.length).toBe(plain.samples.length);
    expect(medianPitch(high.samples) / medianPitch(plain.samples)).toBeCloseTo(1.2, 1);
  } finally {
    await threads.close();
  }
});

/** Hz: the median over voiced windows of the highest peak of the autocorrelation, from 60 to 400 Hz. */
function medianPitch(samples: Float32Array): number {
  const found: number[] = [];
  for (let at = 0; at + 1600 < samples.length; at += 800) {
    const window = samples.subarray(at, at + 1600);
    const product = (lag: number): number => {
      let sum = 0;
      for (let i = 0; i + lag < 1200; i++) sum += window[i]! * window[i + lag]!;
      return sum;
    };
    const energy = product(0);
    let best = 40;
    for (let lag = 40; lag < 267; lag++) if (product(lag) > product(best)) best = lag;
    if (product(best) > 0.5 * energy && energy > 0.1) found.push(16_000 / best);
  }
  return found.sort((a, b) => a - b)[found.length >> 1]!;
}

test("Whisper's transcript of another sentence is misread, that of its own is not", async () => {
  const threads = new SpeakingThreads(1);
  const text = 'The weather in London is very cold in winter.';
  try {
    const voice = { name: 'flite/slt', engine: flite, language: 'en', fixedPitch: false, command: '' };
    const { samples } = await threads.speak(text, voice, { rate: 1, pitch: 1 });
    const other = 'She would like to buy three apples today.';
    const [own, wrong] = await readBack(await baseModel(), [samples, samples], [text, other], 'en');
    expect(own!.characterErrorRate).toBeLessThan(0.1);
    expect(wrong!.characterErrorRate).toBeGreaterThan(0.5);
  } finally {
    await threads.close();
  }
});

const NODE = JSON.stringify(process.execPath);
const script = (name: string, code: string): string => {
  writeFileSync(join(scratch, name), code);
  return `${NODE} ${JSON.stringify(join(scratch, name))}`;
};

test("a command of the user's speaks: no shell reads it, and each of its failures is one line and one sentence", async () => {
  // Writes half a second of sound, and what it was given.
  const good = script(
    'good.mjs',
    `import { readFileSync, writeFileSync } from 'node:fs';
    const text = readFileSync(0, 'utf8');
    if (/ 7 /.test(text)) { console.error('no seven\\nhere'); process.exit(3); }
    if (/ 9 /.test(text)) process.exit(0);
    const wav = Buffer.alloc(44 + 16000);
    wav.write('RIFF'); wav.writeUInt32LE(36 + 16000, 4); wav.write('WAVEfmt ', 8); wav.writeUInt32LE(16, 16);
    wav.writeUInt16LE(1, 20); wav.writeUInt16LE(1, 22); wav.writeUInt32LE(16000, 24); wav.writeUInt32LE(32000, 28);
    wav.writeUInt16LE(2, 32); wav.writeUInt16LE(16, 34); wav.write('data', 36); wav.writeUInt32LE(16000, 40);
    for (let i = 0; i < 8000; i++) wav.writeInt16LE(Math.round(9000 * Math.sin(i / (5 + text.length % 7))), 44 + 2 * i);
    writeFileSync(process.argv[2], wav);`,
  );
  const lines: string[] = [];
  const summary = await synthesise(
    options('command', {
      voices: undefined,
      commands: [`${good} {wav} "; touch ${join(scratch, 'injected')}"`],
      onSkip: (line) => lines.push(line),
    }),
  );
  expect(summary).toMatchObject({ kept: 38, dropped: { 'engine failed': 2 } });
  expect(lines.sort()).toEqual([
    expect.stringMatching(/^command\/1: .*node ended well but wrote no \{wav\}: "He has 9 cats\."$/),
    expect.stringMatching(/^command\/1: .*node ended with status 3: no seven here: "He has 7 cats\."$/),
  ]);
  expect(readdirSync(scratch)).not.toContain('injected');
  const absent = synthesise(
    options('absent', { voices: undefined, commands: ['no-such-program'], limit: 1 }),
  );
  await expect(absent).rejects.toThrow(/found no recording to keep of 1; left out: 1 engine failed/);
});

test.skipIf(process.platform === 'win32')(
  "Ctrl-C ends a command of the user's, and what that has started",
  async () => {
    const line = `sh -c 'sleep 600 & echo $! > ${join(scratch, 'sleeping')}; wait'`;
    const child = spawn(
      process.execPath,
      [
        ...[path('../../dist/cli/main.js'), 'synthesise', sentences, '--from', 'en', '--command', line],
        ...['--no-check', '--output', join(scratch, 'interrupted')],
      ],
      { stdio: 'ignore' },
    );
    const ended = new Promise((resolve) => child.once('exit', resolve));
    let sleeping = '';
    while (sleeping === '') {
      await new Promise((resolve) => setTimeout(resolve, 50));
      if (existsSync(join(scratch, 'sleeping'))) sleeping = readFileSync(join(scratch, 'sleeping'), 'utf8');
    }
    const isAlive = (): boolean => {
      // A process that has ended and that nobody has asked for is not alive.
      const { stdout } = spawnSync('ps', ['-o', 'stat=', '-p', sleeping.trim()], { encoding: 'utf8' });
      return /^[^Z]/.test(stdout.trim());
    };
    expect(isAlive()).toBe(true);
    child.kill('SIGINT');
    await ended;
    for (let tries = 0; tries < 20 && isAlive(); tries++)
      await new Promise((resolve) => setTimeout(resolve, 50));
    expect(isAlive()).toBe(false);
  },
);

test('an engine that hangs costs one sentence: its thread is ended, and another speaks on', async () => {
  const threads = new SpeakingThreads(1, 3);
  const hanging = {
    name: 'command/1',
    engine: { ...flite, name: 'command' },
    language: 'en',
    fixedPitch: true,
    command: script('hangs.mjs', 'setTimeout(() => {}, 20_000);'),
  };
  const voice = { name: 'flite/kal16', engine: flite, language: 'en', fixedPitch: false, command: '' };
  try {
    const stuck = threads.speak('Hello.', hanging, { rate: 1, pitch: 1 });
    const next = threads.speak('Hello.', voice, { rate: 1, pitch: 1 });
    const error = await stuck.catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(UnspokenSentence);
    expect((error as Error).message).toBe('took longer than 3 s');
    expect((await next).samples.length).toBeGreaterThan(3000);
  } finally {
    await threads.close();
  }
});

test.each([
  [{ voices: ['flite/nobody'] }, /^--voices: flite has no voice "nobody"; see --list-voices$/],
  [
    { voices: ['siri'] },
    /^--voices: found "siri"; expected an engine \(flite, espeak-ng\) or a voice such as/,
  ],
  [{ voices: ['flite'], from: 'de', to: ['zh'] }, /de.*found no voice in it.*expected npm install/],
  [{ commands: ['say "hello'], voices: undefined }, /^--command: found a " that none closes in: say "hello$/],
  [{ pairs: 'absent.tsv' }, /^absent\.tsv: found no such file; expected a manifest/],
  [{ to: ['fr'] }, /pairs\.tsv: found no text to speak \(40 no text in fr\)/],
])('a mistake is one line: %j', async (wrong, message) => {
  const german = pairs('german.tsv', ['text_de\ttext_zh', 'Es regnet.\t下雨了。']);
  const given = options('wrong', { ...('from' in wrong && { pairs: german }), ...wrong });
  const error = await synthesise(given).catch((thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(UserError);
  expect((error as Error).message).toMatch(message);
  expect((error as Error).message).not.toContain('\n');
});
