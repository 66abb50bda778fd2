/** `live` and `latency`, as a shell sees them: a file by a simulated clock, a pipe, Ctrl-C, and what a terminal shows. */
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, expect, test, vi } from 'vitest';
import { readAudio } from '../audio/audio-file.ts';
import { samplesAsTheyCome } from '../audio/pcm-stream.ts';
import { wavBytes } from '../audio/wav-write.ts';
import type { LiveEvent } from '../live/events.ts';
import { LivePrinter } from './live-printer.ts';

const path = (name: string) => fileURLToPath(new URL(`../../${name}`, import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'live-command-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const clip = path('samples/gcompris/en/algebra_by.opus');

interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** @param interruptAt sends SIGINT once this was printed */
function ended(args: readonly string[], input?: Uint8Array, interruptAt?: RegExp): Promise<Ended> {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, [path('dist/cli/main.js'), ...args]);
    const out = { stdout: '', stderr: '' };
    let sent = false;
    child.stdout.on('data', (text) => {
      out.stdout += text;
      if (!sent && interruptAt?.test(out.stdout)) sent = child.kill('SIGINT');
    });
    child.stderr.on('data', (text) => {
      out.stderr += text;
    });
    child.on('close', (code) => resolve({ code, ...out }));
    if (input) {
      child.stdin.on('error', () => {});
      child.stdin.write(input);
    }
    if (!interruptAt) child.stdin.end();
  });
}

test('a file is heard by a simulated clock: text comes while it is spoken, and its log is measured', async () => {
  const log = join(folder, 'live.log');
  const live = await ended(['live', clip, '--from', 'en', '--as-fast-as-possible', '--log', log]);
  expect(live.code).toBe(0);
  const lines = live.stdout.trim().split('\n');
  expect(lines.length).toBeGreaterThan(2);
  const text = lines.map((line) => line.replace(/^[\d:.]+ {2}/, '')).join(' ');
  expect(text).toMatch(/^Multiply the two numbers together and type in your/);
  const [line] = readFileSync(log, 'utf8').trim().split('\n');
  const { delays, elapsed, prediction, source_length: source } = JSON.parse(line!);
  expect(delays).toHaveLength(prediction.split(' ').length);
  expect(delays[0]).toBeLessThan(0.7 * source);
  expect(delays.every((delay: number, i: number) => delay <= elapsed[i])).toBe(true);
  const measured = await ended(['latency', log, '--to', 'en', '--json']);
  const { unaware, aware } = JSON.parse(measured.stdout);
  expect(unaware.LAAL).toBeGreaterThan(500);
  expect(aware.DAL).toBeGreaterThan(unaware.DAL);
  const table = await ended(['latency', log, '--to', 'en']);
  expect(table.stdout).toMatch(/LAAL +\d+ +\d+/);
});

test('standard input: Ctrl-C leaves what was committed, and the log of it', async () => {
  const speech = await readAudio(clip);
  const samples = new Float32Array(speech.length + 16_000);
  samples.set(speech);
  const log = join(folder, 'interrupted.log');
  const args = ['live', '-', '--from', 'en', '--log', log];
  const { code, stdout, stderr } = await ended(args, wavBytes(samples), /balloon/);
  expect(code).toBe(130);
  expect(stdout).toContain('two numbers together');
  expect(stderr).toMatch(/^stopped$/m);
  expect(readFileSync(log, 'utf8').trim().split('\n')).toHaveLength(1);
});

test('what cannot be used is one line', async () => {
  const noise = join(folder, 'a.txt');
  writeFileSync(noise, 'no sound at all, but some text');
  expect((await ended(['live', noise])).stderr).toMatch(/^error: .*a\.txt: found .*expected audio/m);
  expect((await ended(['live', '-'], readFileSync(clip))).stderr).toMatch(
    /^error: standard input: found Ogg Opus/m,
  );
  expect((await ended(['live', clip, '--silence', '9'])).stderr).toContain('Expected seconds from 0.1 to 5.');
  expect((await ended(['latency', noise, '--to', 'en'])).stderr).toMatch(
    /^error: .*a\.txt, line 1: found no JSON/m,
  );
});

test('samples of a pipe come as soon as their bytes do, in pieces of any size, at any rate', async () => {
  const tone = Float32Array.from({ length: 16_000 }, (_, i) => 0.5 * Math.sin(i / 20));
  const bytes = wavBytes(tone);
  const collected = async (pieces: Uint8Array[]) => {
    const parts: number[] = [];
    let chunks = 0;
    const source = (async function* () {
      for (const piece of pieces) {
        chunks++;
        yield piece;
      }
    })();
    let early = 0;
    for await (const block of samplesAsTheyCome('pipe', source)) {
      parts.push(...block);
      if (chunks < pieces.length) early = parts.length;
    }
    return { parts, early };
  };
  const pieces = Array.from({ length: Math.ceil(bytes.length / 999) }, (_, i) =>
    bytes.slice(i * 999, (i + 1) * 999),
  );
  const whole = await collected([bytes]);
  const streamed = await collected(pieces);
  expect(streamed.parts).toEqual(whole.parts);
  expect(whole.parts).toHaveLength(tone.length);
  expect(streamed.early).toBeGreaterThan(tone.length - 1200);
  // Without its header it is raw.
  const raw = await collected([bytes.slice(44)]);
  expect(raw.parts).toEqual(whole.parts);
});

test('a terminal shows tentative text in grey, and replaces it by what is committed', () => {
  vi.stubEnv('NO_COLOR', '');
  vi.stubEnv('TERM', 'xterm');
  let shown = '';
  const write = (text: string) => {
    shown += text;
  };
  const printer = new LivePrinter({ isTTY: true, columns: 30, write }, { json: false, onNote: () => {} });
  const text = (committed: string, tentative: string): LiveEvent => ({
    ...{ type: 'text', utterance: 1, text: { committed, tentative }, time: 1, lag: 0 },
  });
  printer.print(text('', 'Click'));
  expect(shown).toBe('\u001b[90mClick\u001b[39m');
  shown = '';
  printer.print(text('Click on', ' the'));
  expect(shown).toBe('\r\u001b[KClick on\u001b[90m the\u001b[39m');
  shown = '';
  printer.print(text(' the colour that is required', ''));
  expect(shown).toMatch(/…/);
  expect(shown.length).toBeLessThan(40);
  shown = '';
  const whole = 'Click on the colour that is required';
  printer.print({ type: 'utterance', utterance: 1, start: 0, end: 2, text: whole });
  expect(shown).toBe(`\r\u001b[K${whole}\n`);
  vi.unstubAllEnvs();
});
