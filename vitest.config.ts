import { defineConfig } from 'vitest/config';
import { BaseSequencer, type TestSpecification } from 'vitest/node';

/** Started last, one of these would run on alone. Vitest itself knows how long a file takes only after a run. */
const LONGEST = [
  'decoding/decode',
  'decoding/word-times',
  'api/examples',
  'cli/evaluate',
  'decoding/whisper',
  'training/lora',
  'decoding/transcribe-files',
  'training/train',
  'training/kill',
  'cli/main',
  'cli/retrieve',
];

class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const place = ({ moduleId }: TestSpecification) => {
      const found = LONGEST.findIndex((name) => moduleId.endsWith(`/${name}.test.ts`));
      return found < 0 ? LONGEST.length : found;
    };
    return (await super.sort(files)).sort((a, b) => place(a) - place(b));
  }
}

export default defineConfig({
  test: {
    globalSetup: ['src/testing/build-when-stale.ts'],
    setupFiles: ['src/testing/one-thread.mjs'],
    // For the processes that tests start.
    env: { NODE_OPTIONS: `--import=${new URL('src/testing/one-thread.mjs', import.meta.url)}` },
    include: ['src/**/*.test.ts'],
    testTimeout: 120_000,
    hookTimeout: 120_000,
    maxWorkers: 2,
    sequence: { sequencer: LongestFirst },
  },
});
