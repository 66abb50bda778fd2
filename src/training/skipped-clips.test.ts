import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { wavBytes } from '../audio/wav-write.ts';
import type { Clip } from '../data/clip.ts';
import { clipsOfWindow, missingLengths, SkippedClips } from './skipped-clips.ts';

const folder = mkdtempSync(join(tmpdir(), 'skipped-'));
afterAll(() => rmSync(folder, { recursive: true }));

const clip = (audio: string, duration = Number.NaN): Clip => ({
  ...{ audio, duration, set: 'train', text: 'x', language: 'en', key: '', translations: {}, other: {} },
});

test('a clip longer than the window is left out, by the manifest’s length or the header’s, and counted with names', async () => {
  const [long, short] = [join(folder, 'long.wav'), join(folder, 'short.wav')];
  writeFileSync(long, wavBytes(new Float32Array(64 * 16_000)));
  writeFileSync(short, wavBytes(new Float32Array(16_000)));
  const skipped = new SkippedClips();
  const clips = [
    ...[clip('/a.wav', 64), clip('/b.wav', 30.2), clip('/c.wav', 31), clip('/d.wav', 40), clip('/e.wav', 12)],
    ...[clip(long), clip(short), clip(join(folder, 'missing.wav'))],
  ];
  const kept = clipsOfWindow(clips, await missingLengths(clips, {}), skipped);
  expect(kept).toEqual([clips[1], clips[4], clips[6], clips[7]]);
  expect([...skipped.counts()]).toEqual([
    ['longer than 30 s with the text of all of it (a.wav, c.wav, d.wav, …)', 4],
  ]);
});
