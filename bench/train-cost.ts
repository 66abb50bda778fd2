/**
 * How the time of a training step grows: with the tokens of each text, and with the encoder frames of each clip. Sizes take
 * turns, so that what else the machine does falls on all of them; of each its fastest step counts. (Self-attention over
 * the tokens grows with their square, but a text is too short for that to be seen.)
 */
import type { BenchOptions } from './options.ts';
import type { BenchResult } from './result.ts';
import { fittedLine, seconds } from './statistics.ts';
import { ourStep, type StepSize } from './train-step.ts';

const BASE: StepSize = { batch: 8, frames: 250, tokens: 24 };
const TOKENS = [8, 16, 32, 48, 64, 96];
const FRAMES = [125, 250, 500, 750, 1000, 1500];
const ROUNDS = 3;
const LEAST_R2 = 0.98;

export async function trainCost({ model }: BenchOptions): Promise<BenchResult> {
  const byTokens = await fastest(
    model,
    TOKENS.map((tokens) => ({ ...BASE, tokens })),
  );
  const byFrames = await fastest(
    model,
    FRAMES.map((frames) => ({ ...BASE, frames })),
  );
  const lines = [
    { of: 'tokens of a text', sizes: TOKENS, times: byTokens, line: fittedLine(TOKENS, byTokens) },
    { of: 'frames of a clip', sizes: FRAMES, times: byFrames, line: fittedLine(FRAMES, byFrames) },
  ];
  return {
    title: `Time of a training step (decoder, frozen embedding), ${BASE.batch} clips × ${BASE.frames} frames × ${BASE.tokens} tokens but for what is said`,
    rows: lines.flatMap(({ of, sizes, times, line }) => [
      ...sizes.map((size, i) => ({ measure: `${size} ${of}`, ours: seconds(times[i]!) })),
      {
        measure: `line over the ${of}`,
        ours: `${(1000 * line.intercept).toFixed(0)} ms + ${(1000 * line.slope).toFixed(3)} ms · ${of}; R² ${line.r2.toFixed(4)}`,
      },
    ]),
    goals: lines.map(({ of, line }) => ({
      goal: `time grows linearly with the ${of}: R² of at least ${LEAST_R2}`,
      found: line.r2.toFixed(4),
      reached: line.r2 >= LEAST_R2,
    })),
    notes: [],
    raw: lines,
  };
}

/** Seconds of the fastest step of each size. */
async function fastest(directory: string, sizes: readonly StepSize[]): Promise<number[]> {
  const times = sizes.map(() => Number.POSITIVE_INFINITY);
  for (let round = 0; round < ROUNDS; round++) {
    for (const [i, size] of sizes.entries()) {
      const { step, close } = await ourStep({ part: 'decoder', embedding: 'frozen' }, directory, size);
      await step(); // The first finds memory.
      for (const { total } of [await step(), await step()]) times[i] = Math.min(times[i]!, total);
      await close();
    }
  }
  return times;
}
