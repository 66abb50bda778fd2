/** Times of segments and words in order, in their segment and in the file, whatever the options. */
import { mkdtempSync, rmSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { readAudio } from '../audio/audio-file.ts';
import { joinSamples } from '../audio/join-samples.ts';
import { wavBytes } from '../audio/wav-write.ts';
import { writeTinyModel } from '../testing/tiny-model.ts';
import { WhisperModel } from '../whisper/model.ts';
import { type TranscribeFilesOptions, transcribeFiles } from './transcribe-files.ts';
import type { LanguageSpan, Segment, Transcript } from './transcript.ts';

const sample = (name: string) =>
  fileURLToPath(new URL(`../../samples/gcompris/${name}.opus`, import.meta.url));
let scratch: string;
/** Random weights: their texts and alignments are as odd as can be. */
let model: WhisperModel;
let files: string[];

beforeAll(async () => {
  scratch = mkdtempSync(join(tmpdir(), 'times-'));
  await writeTinyModel(join(scratch, 'model'));
  model = await WhisperModel.load(join(scratch, 'model'));
  const [english, french] = await Promise.all(
    ['en/algebra_by', 'fr/maze'].map((name) => readAudio(sample(name))),
  );
  const pause = (seconds: number) => new Float32Array(seconds * 16_000);
  const mixed = join(scratch, 'mixed.wav');
  const parts = [pause(2), english!, pause(3), french!, pause(7), english!, english!, french!, pause(1)];
  await writeFile(mixed, wavBytes(joinSamples(parts)));
  const stereo = join(scratch, 'stereo.wav');
  const samples = new Float32Array(2 * 14 * 16_000);
  english!.forEach((sample, i) => samples.set([sample], 2 * (i + 16_000)));
  french!.forEach((sample, i) => samples.set([sample], 2 * (i + 8 * 16_000) + 1));
  const bytes = wavBytes(samples);
  bytes.writeUInt16LE(2, 22); // channels
  bytes.writeUInt32LE(64_000, 28);
  bytes.writeUInt16LE(4, 32);
  await writeFile(stereo, bytes);
  files = [mixed, stereo, sample('en/babymatch')];
});
afterAll(async () => {
  await model?.close();
  rmSync(scratch, { recursive: true, force: true });
});

/** Spans cover the text, and their times lie in the segment. */
function expectSpans(text: string, spans: readonly LanguageSpan[], start: number, end: number): void {
  if (spans.length > 0) expect(spans.map(({ from, to }) => text.slice(from, to)).join('')).toBe(text);
  for (const span of spans) {
    if (span.start === undefined || span.end === undefined) continue;
    expect(span.start).toBeGreaterThanOrEqual(start - 1e-9);
    expect(span.end).toBeGreaterThanOrEqual(span.start);
    expect(span.end).toBeLessThanOrEqual(end + 1e-9);
    timedSpans.add(span.language);
  }
}
const timedSpans = new Set<string>();

function expectInOrder(segments: readonly Segment[], from: number, to: number, where: string): void {
  let latest = from;
  for (const { start, end, words, text, spans } of segments) {
    if (spans) expectSpans(text, spans, start, end);
    expect(start, where).toBeGreaterThanOrEqual(latest - 1e-9);
    expect(end, where).toBeGreaterThanOrEqual(start);
    let spoken = start;
    for (const word of words!) {
      expect(word.start, where).toBeGreaterThanOrEqual(spoken - 1e-9);
      expect(word.end, where).toBeGreaterThanOrEqual(word.start);
      spoken = word.end;
    }
    expect(spoken, where).toBeLessThanOrEqual(end + 1e-9);
    latest = end;
  }
  expect(latest, where).toBeLessThanOrEqual(to + 1e-9);
}

test.each<TranscribeFilesOptions>([
  {},
  { window: 'full' },
  { task: 'translate', beams: 2 },
  { clip: { from: 2.5, to: 21 } },
  { languagePerWindow: true, from: undefined },
  { skipSilence: true },
  { batched: false, beams: 2 },
  { conditionOnPrevious: true, prompt: 'Tux' },
  { channels: 'separate' },
  { codeSwitched: ['zh', 'en'], clip: { from: 2.5 } },
  { channels: 'separate', clip: { from: 3 }, skipSilence: true },
])('%o', async (options) => {
  const list = files.map((audio) => ({ audio }));
  const chosen = { from: 'en', maxTokens: 60, words: true, ...options };
  let words = 0;
  for await (const result of transcribeFiles(model, list, chosen)) {
    if ('error' in result) {
      expect(result.error).toContain('the clip begins at');
      continue;
    }
    const { segments, duration, audio } = result as Transcript;
    const from = options.clip?.from ?? 0;
    for (const channel of new Set(segments.map((segment) => segment.channel))) {
      const own = segments.filter((segment) => segment.channel === channel);
      expectInOrder(own, from, from + duration, `${audio} ${channel ?? ''}`);
    }
    const starts = segments.map(({ start }) => start);
    expect(starts).toEqual([...starts].sort((a, b) => a - b));
    words += segments.reduce((sum, segment) => sum + segment.words!.length, 0);
  }
  expect(words).toBeGreaterThan(2);
  if (options.codeSwitched) expect(timedSpans.size).toBeGreaterThan(0);
});
