import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { readAudio } from '../audio/audio-file.ts';
import { embeddedModel } from '../checkpoint/embedded.ts';
import { WhisperModel } from '../whisper/model.ts';
import type { DecodingOptions } from './decoding.ts';
import { DecodingBatch } from './decoding-batch.ts';
import { GreedySearch } from './search.ts';

const sample = (name: string) => fileURLToPath(new URL(`../../samples/${name}.opus`, import.meta.url));

// Of unlike lengths, so that texts end within a run, and clips leave the batch between two.
const RECORDINGS = [
  'gcompris/en/algebra_by',
  'tatoeba_en/dev/00060',
  'tatoeba_en/dev/00061',
  'gcompris/en/advanced_colors',
];

test.each([
  ['float32', 1e-6, [5, 16]],
  ['float16', 1e-3, [5]],
] as const)('in %s texts of steps that a loop computes ahead are those of single steps', async (compute, near, lengths) => {
  const model = await WhisperModel.load(embeddedModel, { threads: 1, compute });
  const clips = await model.encode(
    await Promise.all(RECORDINGS.map((name) => readAudio(sample(name)))),
    'fit',
  );
  const prompts = clips.map(() => model.tokens.prompt('en', 'transcribe'));
  const { endOfText } = model.tokens;
  const decoded = (options: Partial<DecodingOptions>, stepsAhead?: number) => {
    const searches = clips.map(() => new GreedySearch({ endOfText, maxTokens: 30 }, true));
    return DecodingBatch.decode(model, clips, searches, { prompts, ...options, stepsAhead });
  };
  const single = await decoded({});
  expect(single.map(({ finished }) => finished)).toEqual(clips.map(() => true));
  for (const steps of lengths) {
    const ahead = await decoded({}, steps);
    ahead.forEach(({ tokens, logProbabilities }, i) => {
      expect(tokens).toEqual(single[i]!.tokens);
      logProbabilities.forEach((value, k) => {
        expect(Math.abs(value - single[i]!.logProbabilities[k]!)).toBeLessThan(near);
      });
    });
  }
  // Their rules depend on the tokens before: they are decoded step by step.
  const stamped = await decoded(
    { withTimestamps: true, prompts: prompts.map((prompt) => prompt.slice(0, -1)) },
    5,
  );
  expect(stamped[0]!.tokens[0]).toBeGreaterThanOrEqual(model.tokens.firstTimestamp);
  await model.close();
});
