/**
 * A run that is killed at any moment and resumed until it is done leaves the model of an uninterrupted one, byte for byte.
 * Three kills of a tiny Whisper's training here; `npm run prove:resume` makes twenty (KILLS) of Whisper base's.
 */
import { spawn } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, expect, test } from 'vitest';
import { readManifest } from '../data/manifest.ts';
import { sfc32, uniform } from '../random.ts';
import { writeTinyModel } from '../testing/tiny-model.ts';

const kills = Number(process.env.KILLS ?? 3);
const repository = (name: string) => fileURLToPath(new URL(`../../${name}`, import.meta.url));
const scratch = mkdtempSync(join(tmpdir(), 'killed-training-'));
const model = process.env.KILLS ? repository('models/whisper-base-int8') : join(scratch, 'tiny');
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

interface Ended {
  readonly killed: boolean;
  readonly code: number | null;
  readonly errors: string;
  /** From the first step to the end. */
  readonly seconds: number;
}

/** @param killAfter seconds after its first step at which the process is killed */
function train(output: string, flags: readonly string[], killAfter?: number): Promise<Ended> {
  const settings =
    '--steps 12 --batch-size 2 --warmup 2 --checkpoint-every 2 --dev-set dev --dev-every 5 --dev-clips 1';
  let started: number | undefined;
  let timer: NodeJS.Timeout | undefined;
  const child = spawn(
    process.execPath,
    [
      repository('dist/cli/main.js'),
      ...['train', join(scratch, 'clips.jsonl'), '--model', model, '--cache', join(scratch, 'cache')],
      ...['--output', output, '--json', ...settings.split(' '), ...flags],
    ],
    { stdio: ['ignore', 'pipe', 'pipe'] },
  );
  child.stdout.on('data', () => {
    started ??= performance.now();
    if (killAfter !== undefined) timer ??= setTimeout(() => child.kill('SIGKILL'), 1000 * killAfter);
  });
  let errors = '';
  child.stderr.on('data', (text) => {
    errors += text;
  });
  return new Promise((resolve) => {
    child.on('close', (code, signal) => {
      clearTimeout(timer);
      const seconds = started === undefined ? 0 : (performance.now() - started) / 1000;
      resolve({ killed: signal === 'SIGKILL', code, errors, seconds });
    });
  });
}

/** What a model is: not the numbers of the run beside it, which hold seconds. */
const modelFiles = (folder: string) =>
  readdirSync(folder).filter((name) => !['checkpoints', 'metrics.jsonl', 'report.html'].includes(name));

test(
  `killed ${kills} times and resumed: the same model, byte for byte`,
  { timeout: 60_000 * (kills + 4) },
  async () => {
    const manifest = await readManifest(repository('samples/manifest.tsv'));
    const english = manifest.filter(({ language, set }) => language === 'en' && set === 'train');
    const short = english.sort((a, b) => a.duration - b.duration).slice(0, 8);
    const lines = short.map(({ audio, translations }, i) =>
      JSON.stringify({ audio, lang: 'en', set: i < 6 ? 'train' : 'dev', zh: translations.zh }),
    );
    writeFileSync(join(scratch, 'clips.jsonl'), `${lines.join('\n')}\n`);

    if (!process.env.KILLS) await writeTinyModel(model);
    const whole = join(scratch, 'whole');
    const uninterrupted = await train(whole, []);
    expect(uninterrupted, uninterrupted.errors).toMatchObject({ code: 0 });
    expect(modelFiles(whole)).toContain('model.safetensors');

    const random = sfc32(Date.now());
    let killed = 0;
    for (let run = 1; killed < kills; run++) {
      const output = join(scratch, `killed-${run}`);
      for (let flags: string[] = []; ; flags = ['--resume']) {
        // From the first step to the saved model, whatever is done in between.
        const killAfter = killed < kills ? uninterrupted.seconds * 0.95 * uniform(random) : undefined;
        const ended = await train(output, flags, killAfter);
        if (ended.killed) killed++;
        else {
          expect(ended, ended.errors).toMatchObject({ code: 0 });
          break;
        }
      }
      expect(modelFiles(output)).toEqual(modelFiles(whole));
      for (const name of modelFiles(whole)) {
        expect(readFileSync(join(output, name)).equals(readFileSync(join(whole, name))), name).toBe(true);
      }
      const steps = readFileSync(join(output, 'metrics.jsonl'), 'utf8')
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line))
        .filter(({ devLoss }) => devLoss === undefined)
        .map(({ step }) => step);
      expect(steps).toEqual(Array.from({ length: 12 }, (_, i) => i + 1));
      rmSync(output, { recursive: true });
    }

    const again = await train(whole, []);
    expect(again).toMatchObject({
      code: 2,
      errors: expect.stringMatching(/up to step 12; expected --resume/),
    });
  },
);
