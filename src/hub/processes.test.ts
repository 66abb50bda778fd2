/** Downloads by real processes: two at once, one that is killed, and the models that commands load from the cache. */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { type FakeHub, sha256, startFakeHub } from '../testing/fake-hub.ts';
import { writeTinyModel } from '../testing/tiny-model.ts';
import { WhisperModel } from '../whisper/model.ts';
import { withModel } from '../whisper/with-model.ts';
import { modelFolder } from './model-folder.ts';
import { parseRepo } from './names.ts';
import { hubSettings } from './settings.ts';

const MAIN = new URL('../../dist/cli/main.js', import.meta.url).pathname;
const scratch = mkdtempSync(join(tmpdir(), 'hub-processes-'));
const ID = 'acme/whisper-tiny';
const children: ChildProcess[] = [];
let hub: FakeHub;
let home: string;
let weights: Buffer;

beforeAll(async () => {
  hub = await startFakeHub();
  await writeTinyModel(join(scratch, 'model'));
  weights = readFileSync(join(scratch, 'model/model.safetensors'));
  mkdirSync(join(scratch, 'model/english'));
  writeFileSync(join(scratch, 'model/english/LICENSE'), 'MIT License\n');
  // What a real repository has beside them.
  writeFileSync(join(scratch, 'model/pytorch_model.bin'), Buffer.alloc(2_000_000));
  writeFileSync(join(scratch, 'model/model.fp32-00001-of-00002.safetensors'), Buffer.alloc(1_000_000));
  hub.addFolder(ID, join(scratch, 'model'));
  hub.addRepo('google-bert/bert-base', {
    'config.json': '{"model_type":"bert"}',
    'model.safetensors': Buffer.alloc(1000),
  });
});
afterAll(async () => {
  for (const child of children) child.kill('SIGKILL');
  await hub.close();
  rmSync(scratch, { recursive: true, force: true });
});
beforeEach(() => {
  hub.requests.length = 0;
  hub.faults.length = 0;
  home = mkdtempSync(join(scratch, 'home-'));
});

const environment = (more: Record<string, string> = {}): NodeJS.ProcessEnv => ({
  ...process.env,
  ...{ HF_ENDPOINT: hub.url, HF_HOME: home, HF_TOKEN: '', HF_HUB_CACHE: '', HF_HUB_OFFLINE: '' },
  ...more,
});

interface Ended {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

const run = (args: readonly string[], more?: Record<string, string>): Promise<Ended> =>
  new Promise((resolve) => {
    const child = execFile(process.execPath, [MAIN, ...args], { env: environment(more) }, (error, out, err) =>
      resolve({ code: error ? Number(error.code ?? 1) : 0, out, err }),
    );
    children.push(child);
  });

const folder = () => join(home, 'hub/models--acme--whisper-tiny');
const fromCdn = () => hub.requests.filter(({ on }) => on === 'cdn');

test('two processes that download the same repository at once fetch each file once', async () => {
  hub.faults.push({ match: /xet-bridge/, slow: 5, times: 9 });
  const args = ['hub', 'download', ID, '--files', 'model.safetensors'];
  const [one, two] = await Promise.all([run(args), run(args)]);
  expect([one.code, two.code, one.err + two.err]).toEqual([0, 0, expect.stringContaining('1 file')]);
  expect(one.out).toBe(two.out);
  expect(fromCdn()).toHaveLength(1);
  expect(readFileSync(join(one.out.trim(), 'model.safetensors')).equals(weights)).toBe(true);
  expect(readdirSync(join(home, 'hub/.locks/models--acme--whisper-tiny'))).toEqual([
    `${sha256(weights)}.lock`,
  ]);
});

test('a process that is killed in mid-download holds no lock, and the next goes on from its bytes', async () => {
  hub.faults.push({ match: /xet-bridge/, slow: 50 });
  const child = spawn(process.execPath, [MAIN, 'hub', 'download', ID, '--files', 'model.safetensors'], {
    env: environment(),
    stdio: 'ignore',
  });
  children.push(child);
  const size = (): number => {
    try {
      return readFileSync(join(folder(), 'blobs', `${sha256(weights)}.whisper-transfer.incomplete`)).length;
    } catch {
      return 0;
    }
  };
  while (size() < 200_000) await new Promise((resolve) => setTimeout(resolve, 10));
  const ended = new Promise((resolve) => child.once('exit', resolve));
  child.kill('SIGKILL');
  await ended;
  const there = size();
  expect(there).toBeLessThan(weights.length);
  const next = await run(['hub', 'download', ID, '--files', 'model.safetensors', '*.json']);
  expect([next.code, next.err]).toEqual([0, expect.stringContaining('were here')]);
  expect(
    Number(
      /^bytes=(\d+)-$/.exec(fromCdn().findLast(({ path }) => path.includes(sha256(weights)))!.range!)![1],
    ),
  ).toBe(there);
  expect(readFileSync(join(next.out.trim(), 'model.safetensors')).equals(weights)).toBe(true);
});

test('--model takes a model of the hub: only what it needs is fetched, and it loads through the links, offline too', async () => {
  const manifest = join(scratch, 'one.tsv');
  writeFileSync(manifest, 'audio\tlang\ttext\tduration_s\na.wav\ten\tHello\t1.0\n');
  const first = await run(['stats', manifest, '--model', ID]);
  expect([first.code, first.err]).toEqual([0, expect.stringContaining(`downloading ${ID}`)]);
  const snapshot = join(folder(), 'snapshots', hub.head(hub.repo(ID)!));
  await withModel(WhisperModel.load(snapshot), async ({ dimensions }) => expect(dimensions.width).toBe(16));
  expect(readdirSync(snapshot).filter((name) => /bin$|fp32/.test(name))).toEqual([]);
  expect(existsSync(join(snapshot, 'english/LICENSE'))).toBe(true);
  expect(fromCdn()).toHaveLength(1);
  hub.requests.length = 0;
  const settings = await hubSettings(environment({ HF_HUB_OFFLINE: '1' }) as Record<string, string>);
  expect(await modelFolder(`${ID}@main`, { settings })).toBe(snapshot);
  expect(hub.requests).toEqual([]);
});

test('what cannot be a model is one line', async () => {
  const { code, err } = await run(['stats', 'm.tsv', '--model', 'google-bert/bert-base']);
  expect([code, err]).toEqual([
    2,
    'error: google-bert/bert-base: found the model_type "bert" in its config.json; expected "whisper": no more of it was fetched\n',
  ]);
  expect(fromCdn()).toEqual([]);
  const settings = await hubSettings(environment() as Record<string, string>);
  await expect(WhisperModel.load('bert-base')).rejects.toThrow(
    'bert-base: no such directory; a model of the Hugging Face hub is named owner/name',
  );
  await expect(modelFolder('out/en-zh', { settings })).rejects.toThrow(
    /^out\/en-zh: the hub has no such repository, or it is private; no token was sent: set HF_TOKEN \(out\/en-zh: no such folder here, either\)$/,
  );
  expect(() => parseRepo('a/b/c', 'model')).toThrow('found "a/b/c"; expected a model of the hub');
});
