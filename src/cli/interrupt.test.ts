/** Ctrl-C and a disk that refuses, as a shell sees them: exit code, one line, nothing half-written, and how it continues. */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { writeTinyModel } from '../testing/tiny-model.ts';

const repository = (name: string) => fileURLToPath(new URL(`../../${name}`, import.meta.url));
const scratch = mkdtempSync(join(tmpdir(), 'interrupted-'));
const CLI = repository('dist/cli/main.js');
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

beforeAll(async () => {
  await writeTinyModel(join(scratch, 'tiny'));
  const rows = ['maze', 'algebra_by'].map((key) => {
    const audio = repository(`samples/gcompris/en/${key}.opus`);
    return `${audio}\ten\t${key}\t迷宫`;
  });
  writeFileSync(join(scratch, 'clips.tsv'), `audio\tlang\tkey\ttext_zh\n${rows.join('\n')}\n`);
});

interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stderr: string;
}

/**
 * @param onText called with what was printed so far
 * @param onStart called with the process
 */
function run(
  args: readonly string[],
  onText?: (child: ChildProcess, text: string) => void,
  onStart?: (child: ChildProcess) => void,
): Promise<Ended> {
  const child = spawn(process.execPath, [CLI, ...args], { cwd: scratch });
  onStart?.(child);
  let stderr = '';
  let all = '';
  child.stdout.on('data', (text) => onText?.(child, (all += text)));
  child.stderr.on('data', (text) => {
    stderr += text;
    onText?.(child, (all += text));
  });
  return new Promise((resolve) => {
    child.on('close', (code, signal) => resolve({ code, signal, stderr }));
  });
}

const training = (output: string, steps = 100_000): string[] => [
  ...['train', 'clips.tsv', '--from', 'en', '--to', 'zh', '--model', 'tiny', '--steps', String(steps)],
  ...['--batch-size', '1', '--cache', 'cache', '--output', output, '--json'],
];

/** Calls `act` once, at a step. */
const atStep = (act: (child: ChildProcess) => void, step = 3) => {
  let done = false;
  return (child: ChildProcess, text: string): void => {
    if (done || !text.includes(`"step":${step},`)) return;
    done = true;
    act(child);
  };
};

test.each([
  ['SIGINT', 130],
  ['SIGTERM', 143],
] as const)('%s in a training: exit code %d, the step, and --resume continues', async (signal, code) => {
  const stopped = await run(
    training(signal),
    atStep((child) => {
      child.kill(signal);
      // As npm does with a terminal's Ctrl-C: the same keypress.
      child.kill(signal);
    }),
  );
  expect(stopped).toMatchObject({ code });
  const line = /^stopped at step (\d+) of 100000; --resume continues; \w+ has the model of step \1$/m;
  const step = Number(line.exec(stopped.stderr)?.[1]);
  expect(step, stopped.stderr).toBeGreaterThan(2);
  expect(readdirSync(join(scratch, signal, 'checkpoints'))).toEqual([
    `step-${String(step).padStart(6, '0')}`,
  ]);
  expect(existsSync(join(scratch, signal, 'run.lock'))).toBe(false);
  const first = readFileSync(join(scratch, signal, 'metrics.jsonl'), 'utf8')
    .trim()
    .split('\n');
  expect(first).toHaveLength(step);
  const stop = atStep((child) => child.kill(signal), step + 3);
  const again = await run([...training(signal), '--resume'], stop);
  expect(again, again.stderr).toMatchObject({ code });
});

test('a second Ctrl-C ends a training at once, in the middle of a step', async () => {
  // Of many batches: a step takes many seconds.
  let second = Number.NaN;
  const stopping = 'stopping after the current step; Ctrl-C again ends at once';
  const optimizer = { steps: 9, batchSize: 1, accumulate: 5000 };
  const corpus = { manifest: 'clips.tsv', language: 'en' };
  const recipe = { model: 'tiny', target: 'zh', data: { corpora: [corpus], cache: 'off' }, optimizer };
  writeFileSync(join(scratch, 'slow.json'), JSON.stringify({ ...recipe, output: 'slow' }));
  let steps = 0;
  const { signal, stderr } = await run(['train', 'slow.json'], (child, text) => {
    if (steps === 0 && text.includes('data: 2 clips')) {
      steps++;
      child.kill('SIGINT');
    }
    if (steps === 1 && text.includes(stopping)) {
      steps++;
      // Within half a second it would count as the same keypress.
      setTimeout(() => {
        second = performance.now();
        child.kill('SIGINT');
      }, 700);
    }
  });
  expect({ signal, stderr }).toMatchObject({ signal: 'SIGINT' });
  expect(performance.now() - second).toBeLessThan(2000);
  expect(stderr).not.toContain('stopped at step');
});

test('the folder of a training that was killed is taken over by the next run', async () => {
  const killed = await run(
    training('twice'),
    atStep((child) => {
      child.kill('SIGSTOP');
      child.kill('SIGKILL');
    }),
  );
  expect(killed.signal).toBe('SIGKILL');
  expect(existsSync(join(scratch, 'twice', 'run.lock'))).toBe(true);
  expect(await run([...training('twice', 2), '--resume'])).toMatchObject({ code: 0 });
});

test('a second run into the same output is refused in one line, and the first goes on', async () => {
  let second: Promise<Ended> | undefined;
  const first = await run(
    training('shared'),
    atStep((child) => {
      second = run([...training('shared'), '--resume']);
      second.then(() => child.kill('SIGINT'));
    }),
  );
  const { code, stderr } = await second!;
  expect({ code, stderr }).toEqual({
    code: 2,
    stderr: expect.stringMatching(
      /^error: shared: the run with process id \d+ writes into it since .*; expected another output, .*\n$/,
    ),
  });
  expect(first, first.stderr).toMatchObject({ code: 130 });
});

/** Bytes of encoder outputs in a cache. */
function cached(cache: string): number {
  const names = existsSync(cache) ? readdirSync(cache, { recursive: true, encoding: 'utf8' }) : [];
  const files = names.filter((name) => name.endsWith('.shard'));
  return files.reduce((bytes, name) => bytes + statSync(join(cache, name)).size, 0);
}

const SAMPLES = repository('samples/manifest.tsv');

test.each(['encode', 'analyse'])('Ctrl-C while %s encodes: exit code 130 at once', async (command) => {
  const cache = join(scratch, `cache-${command}`);
  const { code, stderr } = await run(
    [command, SAMPLES, '--model', 'tiny', '--cache', cache],
    undefined,
    (child) => {
      const waiting = setInterval(() => {
        if (cached(cache) === 0) return;
        clearInterval(waiting);
        child.kill('SIGINT');
      }, 20);
    },
  );
  expect({ code, stderr }).toMatchObject({ code: 130 });
  expect(stderr).toMatch(/^stopped: encoding, [\d,]+ of [\d,]+\b.*\n$/m);
});

test('Ctrl-C before the first step of train: exit code 130 at once, and no output', async () => {
  const cache = join(scratch, 'cache-train');
  const data = [SAMPLES, '--set', 'train', '--from', 'en', '--to', 'zh', '--output', 'unmade'];
  const args = ['train', ...data, '--model', 'tiny', '--cache', cache];
  const { code, stderr } = await run(args, undefined, (child) => {
    const waiting = setInterval(() => {
      if (!existsSync(cache)) return;
      clearInterval(waiting);
      child.kill('SIGINT');
    }, 1);
  });
  expect({ code, stderr }).toMatchObject({ code: 130 });
  expect(stderr).toMatch(/^stopped(: .*)?; --resume continues\n$/m);
  expect(readdirSync(scratch)).not.toContain('unmade');
});

test.skipIf(process.platform === 'win32')(
  'a disk that takes no more is one line before the work, and nothing is left',
  async () => {
    const small = (...args: string[]): Promise<{ code: number; stderr: string }> =>
      new Promise((resolve) => {
        const shell = ['-c', 'ulimit -f 4; exec "$@"', 'sh', process.execPath, CLI, ...args];
        execFile('sh', shell, { cwd: scratch }, (error, _, stderr) => {
          resolve({ code: error ? Number(error.code) : 0, stderr });
        });
      });
    const commands = [
      training('small/train'),
      ['encode', 'clips.tsv', '--model', 'tiny', '--cache', 'small/cache'],
      ['evaluate', 'clips.tsv', '--model', 'tiny', '--to', 'zh', '--output', 'small/evaluation'],
      ['retrieve', 'clips.tsv', '--model', 'tiny', '--from', 'en', '--to', 'ca', '--html', 'small/page.html'],
      ['analyse', 'clips.tsv', '--model', 'tiny', '--output', 'small/analysis'],
      ['probe', 'train', 'clips.tsv', '--label', 'key', '--model', 'tiny', '--output', 'small/probe'],
      ['speaker', 'verify', 'clips.tsv', '--label', 'key', '--model', 'tiny', '--output', 'small/verify'],
      ['speaker', 'embed', 'clips.tsv', '--model', 'tiny', '--output', 'small/voices.jsonl'],
      ['quantize', 'tiny', 'small/int8'],
      ['lm', 'train', 'clips.tsv', '--to', 'en', '--output', 'small/model.arpa'],
    ];
    mkdirSync(join(scratch, 'small'));
    for (const command of commands) {
      const { code, stderr } = await small(...command);
      expect({ command, code, stderr }).toMatchObject({
        code: 2,
        stderr: expect.stringMatching(/^error: small\/\S+: cannot be written: .* \(EFBIG\); expected .*\n$/),
      });
    }
    expect(readdirSync(join(scratch, 'small'))).toEqual([]);
  },
);

test.skipIf(!existsSync('/dev/full'))('standard output on a full disk is one line', async () => {
  const shell = ['-c', '"$@" > /dev/full', 'sh', process.execPath, CLI, '--help'];
  await new Promise<void>((resolve) => {
    execFile('sh', shell, (error, _, stderr) => {
      expect(error?.code).toBe(2);
      expect(stderr).toBe('error: standard output: cannot be written: the disk is full (ENOSPC)\n');
      resolve();
    });
  });
});
