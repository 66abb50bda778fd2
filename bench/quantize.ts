/** Cost of int8 weights: word error rate with the full window against float16's, and the time until ready. */
import { existsSync } from 'node:fs';
import { readAudio } from '../src/audio/audio-file.ts';
import { WhisperModel } from '../src/whisper/model.ts';
import type { BenchOptions } from './options.ts';
import type { BenchResult } from './result.ts';
import { sentences, wordErrors } from './speech.ts';
import { median, pairwise, percent, seconds, showRatios } from './statistics.ts';
import { fullWindowTexts } from './windows.ts';

const LOADS = 5;
const MAX_DIFFERENCE = 0.005;
const MAX_START_SECONDS = 1.5;

export async function quantize({ model: int8, float16 }: BenchOptions): Promise<BenchResult> {
  const present = existsSync(float16);
  const starts = { int8: [] as number[], float16: [] as number[] };
  for (let i = 0; i < LOADS; i++) {
    starts.int8.push(await secondsUntilReady(int8));
    if (present) starts.float16.push(await secondsUntilReady(float16));
  }
  const clips = await sentences('en');
  const audio = await Promise.all(clips.map((clip) => readAudio(clip.audio)));
  const references = clips.map(({ text }) => text);
  const texts = async (directory: string): Promise<string[]> => {
    const model = await WhisperModel.load(directory);
    const texts = await fullWindowTexts(model, audio, 'en');
    await model.close();
    return texts;
  };
  const int8Texts = await texts(int8);
  const float16Texts = present ? await texts(float16) : undefined;
  const errors = wordErrors(int8Texts, references, 'en');
  const float16Errors = float16Texts && wordErrors(float16Texts, references, 'en');
  const same = float16Texts && int8Texts.filter((text, i) => text === float16Texts[i]).length;
  const start = median(starts.int8);
  return {
    title: `int8 weights against float16 (as the peer): ${clips.length} English sentences, full window`,
    rows: [
      {
        measure: 'word error rate',
        ours: percent(errors),
        ...(float16Errors !== undefined && { peer: percent(float16Errors) }),
      },
      {
        measure: 'until ready',
        ours: seconds(start),
        ...(present && {
          peer: seconds(median(starts.float16)),
          ratio: showRatios(pairwise(starts.int8, starts.float16)),
        }),
      },
    ],
    goals: [
      {
        goal: 'word error rate within half a point of float16’s',
        found:
          float16Errors === undefined
            ? 'no float16 model'
            : `${percent(errors)} against ${percent(float16Errors)}`,
        reached: float16Errors === undefined ? undefined : Math.abs(errors - float16Errors) <= MAX_DIFFERENCE,
      },
      {
        goal: `ready in less than ${MAX_START_SECONDS} s`,
        found: seconds(start),
        reached: start < MAX_START_SECONDS,
      },
    ],
    notes: [
      present
        ? `${same} of ${clips.length} texts are identical.`
        : `The float16 model is absent: no ${float16}; --float16 names another folder.`,
    ],
    raw: { starts, wordErrorRate: { int8: errors, float16: float16Errors }, int8Texts, float16Texts },
  };
}

/** Weights read, encoder and decoder compiled. */
async function secondsUntilReady(directory: string): Promise<number> {
  const started = performance.now();
  const model = await WhisperModel.load(directory);
  await Promise.all([
    model.encoderProgram('full'),
    model.audioMemoryProgram(),
    model.decodingProgram(1, false),
  ]);
  const took = (performance.now() - started) / 1000;
  await model.close();
  return took;
}
