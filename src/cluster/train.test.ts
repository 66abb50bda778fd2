/**
 * Training with workers gives the weights of one process, to the bit: whoever joins late, dies in the middle of a batch, or
 * answers twice, too late, or with other numbers.
 * Needs redis-server; without it (and without CI=1) these tests are left out.
 */
import { createHash, randomUUID } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { packageVersion } from '../report/package-version.ts';
import { type Command, childrenOf, command, hasRedis, TestRedis } from '../testing/cluster.ts';
import { writeTinyModel } from '../testing/tiny-model.ts';
import type { Recipe } from '../training/recipe.ts';
import { readRecipe } from '../training/recipe-source.ts';
import { openBatches, type SharedTraining } from '../training/train-recipe.ts';
import { runModel } from './coordinator.ts';
import { connect } from './redis.ts';
import { RUNS, type Run, refusalsOf, SELF } from './run.ts';
import { TrainingCluster } from './train.ts';
import { aliveOf, type Task, tasksOf, tell } from './train-messages.ts';

const scratch = mkdtempSync(join(tmpdir(), 'train-cluster-'));
const at = (name: string) => join(scratch, name);
const redis = new TestRedis(scratch);
const here = hasRedis || process.env.CI ? test : test.skip;
const running = new Set<Command>();
let recipe: Recipe;

beforeAll(async () => {
  await writeTinyModel(at('tiny'));
  const sound = fileURLToPath(new URL('../../samples/gcompris/en/', import.meta.url));
  const rows = ['algebra_by', 'colors', 'maze', 'money'].map(
    (key) => `${join(sound, `${key}.opus`)}\ten\tSatz ${key}`,
  );
  writeFileSync(at('clips.tsv'), ['audio\tlang\ttext_de', ...rows].join('\n'));
  recipe = await readRecipe({
    ...{ data: at('clips.tsv'), model: at('tiny'), from: 'en', to: 'de', steps: 24, output: at('out') },
    tune: { lora: { rank: 4 } },
    optimizer: { batchSize: 3, accumulate: 6 },
    checkpointEvery: 10,
  });
  recipe = { ...recipe, data: { ...recipe.data, window: 'full', cache: at('cache') } };
  if (hasRedis) await redis.start();
});

afterAll(async () => {
  for (const { process } of running) process.kill('SIGKILL');
  redis.kill();
  await wait(100);
  rmSync(scratch, { recursive: true, force: true });
});

function start(...args: string[]): Command {
  const started = command(args);
  running.add(started);
  void started.ended.then(() => running.delete(started));
  return started;
}

function training(output: string, ...args: string[]): Command {
  writeFileSync(at('recipe.json'), JSON.stringify({ ...recipe, output: at(output) }));
  return start('train', at('recipe.json'), '--json', ...args);
}

async function until(what: string, isThere: () => boolean, of: Command): Promise<void> {
  while (!isThere()) {
    expect(of.process.exitCode, `${what}\n${of.errors()}`).toBeNull();
    await wait(20);
  }
}

/** Holds a training while a worker loads it, so that this does not last longer than the training, and waits until it has a part in it. */
async function joinedBy(train: Command, worker: Command): Promise<void> {
  train.process.kill('SIGSTOP');
  // Once it does not wait for answers any more, only the worker's process waits for tasks.
  await wait(1100);
  await until('waits', () => /flags=b.*cmd=blpop/.test(redis.ask('client', 'list')), worker);
  train.process.kill('SIGCONT');
  const name = `worker ${/worker (\S+),/.exec(worker.errors())![1]}`;
  await until('is tried', () => train.errors().includes(`${name} takes part`), train);
  const steps = train.output().length;
  await until('has computed', () => train.output().length > steps + 600, train);
}

const sharedOf = (errors: string) => Number(/workers computed (\d+) of/.exec(errors)?.[1] ?? Number.NaN);
const weightsOf = (output: string) =>
  createHash('sha256')
    .update(readFileSync(join(at(output), 'model.safetensors')))
    .digest('hex');

here(
  'a worker that dies, one that joins late, Ctrl-C and --resume leave the weights of one process',
  { timeout: 300_000 },
  async () => {
    const single = training('single');
    expect((await single.ended).code, single.errors()).toBe(0);
    const first = start('worker', '--redis', redis.url);
    const train = training('shared', '--redis', redis.url);
    await until('begins', () => train.output() !== '', train);
    await joinedBy(train, first);
    process.kill(childrenOf(first.process.pid!)[0]!, 'SIGKILL');
    await until('has left', () => train.errors().includes('has left'), train);
    first.process.kill('SIGKILL');
    train.process.kill('SIGSTOP');
    const second = start('worker', '--redis', redis.url);
    await joinedBy(train, second);
    train.process.kill('SIGINT');
    const stopped = await train.ended;
    expect(stopped.errors).toMatch(/stopped at step \d+ of 24/);
    expect(sharedOf(stopped.errors)).toBeGreaterThan(0);
    const resumed = training('shared', '--redis', redis.url, '--resume');
    const { code, errors } = await resumed.ended;
    expect(code, errors).toBe(0);
    expect(weightsOf('shared')).toBe(weightsOf('single'));
    second.process.kill('SIGTERM');
    await second.ended;
  },
);

/** Plays a worker: answers each task as it is told to. */
async function play(token: string, answers: (task: Task) => readonly Float32Array[]) {
  const { redis: own, close } = await connect(redis.url, { onNote: () => {} });
  // Waits for tasks, and so can do nothing else.
  const listener = own.duplicate();
  const name = randomUUID();
  const from = { from: name, name: `${name}:1` };
  const waits = () => tell(own, token, { ...from, type: 'waits' });
  const given: Task[] = [];
  await waits();
  const working = (async () => {
    for (;;) {
      const found = await listener.blpop(tasksOf(token, name), 0);
      const task = JSON.parse(found![1]) as Task;
      given.push(task);
      if (task.type !== 'batch') return;
      for (const gradient of answers(task)) {
        const { step, place } = task;
        const record = { tokens: place + 1, size: EMPTY, members: [place] };
        const batch = { weight: place + 1, scalars: [place], record, unreadable: [] };
        await tell(own, token, { ...from, type: 'batch', step, place, ...batch }, gradient);
      }
    }
  })();
  const end = async () => {
    await working;
    listener.disconnect();
    await close();
  };
  return { given, waits, end };
}

const EMPTY = { clips: 0, frames: 0, paddedFrames: 0, positions: 0, paddedPositions: 0 };
const gradientOf = (step: number, place: number) => Float32Array.of(step, place / 3);

here('a batch counts once: answered twice, too late or by a worker that rounds otherwise', async () => {
  const notes: string[] = [];
  const coordinator = await TrainingCluster.open(redis.url, recipe, { onNote: (note) => notes.push(note) });
  const sharing = await coordinator.begin({
    ...{ recipe, settings: { model: 'tiny' }, device: 'cpu' },
    bytes: { trained: 1, all: 100 },
  });
  const { redis: own, close } = await connect(redis.url, { onNote: () => {} });
  const runs = (await own.hvals(RUNS)).map((text) => JSON.parse(text) as Run);
  const { token } = runs.find(({ kind, coordinator }) => kind === 'train' && coordinator === SELF)!;
  const honest = ({ step, place }: Extract<Task, { type: 'batch' }>) => gradientOf(step, place);
  let isSilent = false;
  const twice = await play(token, (task) => (task.type === 'batch' ? [honest(task), honest(task)] : []));
  const late = await play(token, (task) => (task.type === 'batch' && !isSilent ? [honest(task)] : []));
  const other = await play(token, (task) =>
    task.type === 'batch' ? [gradientOf(task.step, task.place + 1e-6)] : [],
  );
  let step = 0;
  /** Takes a step. @returns how many of its batches came from workers */
  const take = async (): Promise<number> => {
    step++;
    let last = 0;
    let elsewhere = 0;
    const summed: number[][] = [];
    const batches = sharing.share(step, {
      compute: async (place) => {
        await wait(30);
        last = place;
        return { weight: place + 1, scalars: [place] };
      },
      gradient: async () => gradientOf(step, last),
      weights: async () => Float32Array.of(step),
    });
    for await (const { weight, scalars, gradient = gradientOf(step, last) } of batches) {
      summed.push([weight, ...scalars, ...gradient]);
      if (gradient.length > 0 && scalars[0] !== last) elsewhere++;
    }
    expect(summed).toEqual([0, 1, 2, 3, 4, 5].map((place) => [place + 1, place, ...gradientOf(step, place)]));
    return elsewhere;
  };
  while (!/^2 /.test(sharing.note())) await take();
  expect(await take()).toBeGreaterThan(1);
  const refusal = {
    type: 'refused',
    reason: expect.stringMatching(/^found another gradient of the same batch/),
  };
  expect(other.given.at(-1)).toEqual(refusal);
  isSilent = true;
  await take();
  expect(sharing.note()).toBe('1 worker');
  // It takes part again once it says that it is there, without a trial.
  isSilent = false;
  await late.waits();
  while (!/^2 /.test(sharing.note())) await take();
  await sharing.end();
  for (const worker of [twice, late, other]) await worker.end();
  expect(twice.given.at(-1)).toEqual({ type: 'end' });
  expect(notes.at(-1)).toMatch(/^workers computed \d+ of \d+ batches$/);
  await close();
  await coordinator.close();
});

here('a worker takes no part where its version is another, or what the weights depend on', async () => {
  const { redis: own, close } = await connect(redis.url, { onNote: () => {} });
  const { settings, close: closeBatches } = await openBatches(recipe, {});
  await closeBatches();
  const model = await runModel(at('tiny'));
  const begin = async (id: string, changes: Partial<Run>) => {
    const run: Run = {
      ...{ id, kind: 'train', version: packageVersion, token: id, since: Date.now(), coordinator: 'there:1' },
      ...{ place: '', folders: [], model, ...changes },
      options: { recipe, settings: { ...settings, threads: 7, recordings: 'others' } },
    };
    await own.hset(RUNS, id, JSON.stringify(run));
    await own.set(aliveOf(id), 'there:1');
  };
  await begin('version', { version: '0.0.1' });
  await begin('settings', {});
  const worker = start('worker', '--redis', redis.url);
  const refusalOf = async (id: string): Promise<string> => {
    for (;;) {
      const [line] = Object.values(await own.hgetall(refusalsOf(id)));
      if (line) return line.replace(/^.+?:\d+: /, '');
      expect(worker.process.exitCode, worker.errors()).toBeNull();
      await wait(20);
    }
  };
  expect(await refusalOf('version')).toBe(
    `found version ${packageVersion} of whisper-transfer here; expected 0.0.1, as at the coordinator there:1`,
  );
  expect(await refusalOf('settings')).toBe(
    `found threads 1, recordings "${settings.recordings}" here; expected threads 7, recordings "others", as at the coordinator there:1`,
  );
  worker.process.kill('SIGTERM');
  await worker.ended;
  await own.hdel(RUNS, 'version', 'settings');
  await close();
});

here('one batch a step, and weights that are too many to send, are refused in a line', async () => {
  const alone = { ...recipe, optimizer: { ...recipe.optimizer, accumulate: undefined } };
  await expect(TrainingCluster.open(redis.url, alone, {})).rejects.toThrow(
    '--redis: found one batch per step; expected --accumulate 2 or more: workers compute batches of a step',
  );
  const coordinator = await TrainingCluster.open(redis.url, recipe, {});
  const whole: SharedTraining = {
    ...{ recipe, settings: {}, device: 'cpu' },
    bytes: { trained: 208e6, all: 290e6 },
  };
  await expect(coordinator.begin(whole)).rejects.toThrow(
    '--redis: found 208 MB of trained weights, of 290 MB in all, which would go to Redis and back for each batch; expected 29 MB at most',
  );
  await expect(coordinator.begin({ ...whole, device: 'webgpu' })).rejects.toThrow('found device webgpu');
  await coordinator.close();
});
