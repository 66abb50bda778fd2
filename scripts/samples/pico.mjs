// Synthetic speech with SVOX Pico's pico2wave (Debian non-free: libttspico-utils), a tool for making samples only.
// Of the free voices at hand Whisper understands it best; samples/README.md has the comparison with eSpeak NG.

import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { decodeFile } from './opus.mjs';

/** Mono samples in [-1, 1] and their rate (16 kHz). `voice` is one of Pico's: en-US, en-GB, de-DE, fr-FR, es-ES, it-IT. */
export async function speak(text, voice) {
  const folder = mkdtempSync(join(tmpdir(), 'pico-'));
  try {
    const wave = join(folder, 'speech.wav');
    execFileSync('pico2wave', ['-l', voice, '-w', wave, text], { stdio: ['ignore', 'ignore', 'inherit'] });
    const speech = await decodeFile(wave);
    if (speech.seconds < 0.3) throw new Error(`Pico said nothing for "${text}"`);
    return speech;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
