import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';
import { BaseSequencer, type TestSpecification } from 'vitest/node';

const ROOT = fileURLToPath(new URL('.', import.meta.url));

/** Started last, one of these would run on alone. Vitest itself knows how long a file takes only after a run. */
const LONGEST = [
  'decoding/word-times',
  'decoding/transcribe-files',
  'decoding/decode',
  'decoding/english-first',
  'api/examples',
  'cli/evaluate',
  'cli/interrupt',
  'decoding/whisper',
  'cli/transcribe',
  'training/train',
  'decoding/long-recording',
  'training/lora',
  'cli/traces',
  'cli/main',
  'training/recipe-data',
  'training/kill',
];

/**
 * To begin a process and to load modules takes longer than most files of tests. Those that compute, other than with
 * `baseModel`, get one of their own all the same: only the first thread in a process that computes takes denormals for zero.
 */
const OWN = /^(?:import (?!type)|\} from).*\/(runtime|model|whisper|tiny-model|identify|retrieve)\.ts'/m;
const files = readdirSync(join(ROOT, 'src'), { recursive: true, encoding: 'utf8' })
  .filter((file) => file.endsWith('.test.ts'))
  .map((file) => join('src', file).replaceAll('\\', '/'));
const own = files.filter((file) => OWN.test(readFileSync(join(ROOT, file), 'utf8')));
const shared = files.filter((file) => !own.includes(file));

class SharedThenLongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const place = ({ moduleId, project }: TestSpecification) => {
      const found = LONGEST.findIndex((name) => moduleId.endsWith(`/${name}.test.ts`));
      return (project.config.isolate ? files.length : 0) + (found < 0 ? LONGEST.length : found);
    };
    return (await super.sort(files)).sort((a, b) => place(a) - place(b));
  }
}

export default defineConfig({
  test: {
    globalSetup: ['scripts/build-when-stale.mjs'],
    setupFiles: ['src/testing/one-thread.mjs'],
    // For the processes that tests start.
    env: { NODE_OPTIONS: `--import=${new URL('src/testing/one-thread.mjs', import.meta.url)}` },
    testTimeout: 120_000,
    hookTimeout: 120_000,
    maxWorkers: 2,
    sequence: { sequencer: SharedThenLongestFirst },
    projects: [
      { extends: true, test: { name: 'shared', include: shared, isolate: false } },
      { extends: true, test: { name: 'own', include: own } },
    ],
  },
});
