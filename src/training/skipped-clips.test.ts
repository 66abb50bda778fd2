import { expect, test } from 'vitest';
import type { Clip } from '../data/clip.ts';
import { clipsOfWindow, SkippedClips } from './skipped-clips.ts';

const clip = (audio: string): Clip => ({
  ...{
    audio,
    duration: Number.NaN,
    set: 'train',
    text: 'x',
    language: 'en',
    key: '',
    translations: {},
    other: {},
  },
});

test('a clip longer than the window is left out, and counted with names', () => {
  const skipped = new SkippedClips();
  const seconds = { '/a.wav': 64, '/b.wav': 30.2, '/c.wav': 31, '/d.wav': 40, '/e.wav': 12, '/f.wav': 50 };
  const clips = Object.entries(seconds).map(([audio, length]) => ({
    clip: clip(audio),
    samples: length * 16_000,
  }));
  expect(clipsOfWindow(clips, skipped)).toEqual([clips[1], clips[4]]);
  expect([...skipped.counts()]).toEqual([
    ['longer than 30 s with the text of all of it (a.wav, c.wav, d.wav, …)', 4],
  ]);
});
