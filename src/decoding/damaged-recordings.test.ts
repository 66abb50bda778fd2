// Recordings that are cut off or damaged are transcribed as far as they decode, and say so.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { writeTinyModel } from '../testing/tiny-model.ts';
import { WhisperModel } from '../whisper/model.ts';
import { transcribeFiles } from './transcribe-files.ts';

const folder = mkdtempSync(join(tmpdir(), 'damaged-recordings-'));
const speech = fileURLToPath(new URL('../audio/fixtures/speech.flac', import.meta.url));
let model: WhisperModel;

beforeAll(async () => {
  await writeTinyModel(join(folder, 'model'));
  model = await WhisperModel.load(join(folder, 'model'), { threads: 1 });
});
afterAll(async () => {
  await model.close();
  rmSync(folder, { recursive: true });
});

test.each(['mix', 'separate'] as const)('a field and a note, channels: %s', async (channels) => {
  const cut = join(folder, 'cut.flac');
  const bytes = readFileSync(speech);
  writeFileSync(cut, bytes.subarray(0, bytes.length * 0.7));
  const notes: string[] = [];
  const files = [{ audio: speech }, { audio: cut }];
  const options = {
    channels,
    from: 'en',
    search: { maxTokens: 1 },
    onNote: (note: string) => notes.push(note),
  };
  const damage: unknown[] = [];
  for await (const result of transcribeFiles(model, files, options)) {
    expect(result).not.toHaveProperty('error');
    damage.push('damage' in result ? result.damage : undefined);
  }
  expect(damage).toEqual([undefined, expect.stringMatching(/^cut off: \d\.\d of \d\.\d s$/)]);
  expect(notes).toEqual([`${cut}: ${damage[1]}`]);
});
