/** Runs leave nothing behind: no connection is opened, and no file is made outside output and cache. */
import { execFile, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { writeTinyModel } from '../testing/tiny-model.ts';

const repository = (name: string) => fileURLToPath(new URL(`../../${name}`, import.meta.url));
const speech = ['maze', 'algebra_by'].map((name) => repository(`samples/gcompris/fr/${name}.opus`));
const scratch = mkdtempSync(join(tmpdir(), 'traces-'));
const model = join(scratch, 'tiny');
const manifest = join(scratch, 'clips.tsv');
const program = join(scratch, 'program.mjs');

beforeAll(async () => {
  await writeTinyModel(model);
  const rows = speech.flatMap((audio, i) =>
    ['fr', 'en'].map((code) => `${audio.replace('/fr/', `/${code}/`)}\t${code}\t${i}\t迷宫`),
  );
  writeFileSync(manifest, `audio\tlang\tkey\ttext_zh\n${rows.join('\n')}\n`);
  writeFileSync(
    program,
    `import { Whisper } from ${JSON.stringify(repository('dist/index.js'))};
     const whisper = await Whisper.load(${JSON.stringify(model)});
     await whisper.transcribe(${JSON.stringify(speech[0])}, { from: 'fr', maxTokens: 3, skipSilence: true });
     await whisper.close();`,
  );
});
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

const CLI = repository('dist/cli/main.js');
const own = ['--output', 'output', '--cache', 'cache', '--model', model];
const COMMANDS: Record<string, { readonly run: readonly string[]; readonly kept?: readonly string[] }> = {
  'a program that imports the library': { run: [program] },
  transcribe: {
    run: [CLI, 'transcribe', speech[0]!, '--model', model, '--max-tokens', '3', '--skip-silence'],
  },
  train: {
    run: [CLI, 'train', manifest, '--from', 'fr', '--to', 'zh', '--steps', '2', '--batch-size', '1', ...own],
    kept: ['cache', 'output'],
  },
  encode: { run: [CLI, 'encode', manifest, '--cache', 'cache', '--model', model], kept: ['cache'] },
  evaluate: {
    run: [CLI, 'evaluate', manifest, '--to', 'zh', '--max-tokens', '3', ...own],
    kept: ['cache', 'output'],
  },
  retrieve: {
    run: [CLI, 'retrieve', manifest, '--from', 'fr', '--to', 'en', '--cache', 'cache', '--model', model],
    kept: ['cache'],
  },
  quantize: { run: [CLI, 'quantize', model, 'output'], kept: ['output'] },
  'probe train': {
    run: [CLI, 'probe', 'train', manifest, '--label', 'key', '--test-share', '0.5', '--steps', '2', ...own],
    kept: ['cache', 'output'],
  },
  'speaker train': {
    run: [
      CLI,
      'speaker',
      'train',
      manifest,
      '--label',
      'lang',
      '--epochs',
      '1',
      ...own.slice(0, 2),
      ...own.slice(4),
    ],
    kept: ['output'],
  },
};
/** Of most commands one run is enough, in the home that tempts them most. */
const BOTH_HOMES = ['transcribe', 'train'];
/** Without a home that can be written, onnxruntime would write into the working directory. */
const HOMES = { 'a home': 'home', 'a home that cannot be written': 'file/home' };

const strace = spawnSync('strace', ['-f', '-o', '/dev/null', 'true']).status === 0;
// Each system call that opens a connection or makes a file; not every system has those with a question mark.
const CALLS = '%network,?open,openat,?creat,?mkdir,mkdirat,?rename,?renameat,renameat2';

for (const [what, { run, kept = [] }] of Object.entries(COMMANDS)) {
  for (const [where, home] of Object.entries(HOMES)) {
    if (home === 'home' && !BOTH_HOMES.includes(what)) continue;
    test.skipIf(!strace)(
      `${what}, with ${where}: no connection, no file outside output and cache (needs strace)`,
      async () => {
        const root = mkdtempSync(join(scratch, 'run-'));
        for (const folder of ['home', 'tmp', 'work']) mkdirSync(join(root, folder));
        writeFileSync(join(root, 'file'), '');
        const { ORT_DISABLE_TELEMETRY: _, ...env } = process.env;
        const log = join(root, 'calls');
        await promisify(execFile)(
          'strace',
          ['-f', '--seccomp-bpf', '-e', `trace=${CALLS}`, '-o', log, process.execPath, ...run],
          {
            cwd: join(root, 'work'),
            env: { ...env, HOME: join(root, home), TMPDIR: join(root, 'tmp'), XDG_CACHE_HOME: '' },
          },
        );
        const calls = readFileSync(log, 'utf8').split('\n');
        // Weights are rounded without it.
        const loaded = calls.some((line) => line.includes('onnxruntime_binding.node'));
        expect(loaded).toBe(what !== 'quantize');
        expect(calls.filter((line) => /\b(socket|connect|sendto|sendmsg|bind)\(/.test(line))).toEqual([]);
        const made = calls.flatMap((line) => {
          if (/ = -1 /.test(line)) return [];
          const path = /\b(?:open|openat|creat|mkdir|mkdirat)\(.*?"([^"]+)"/.exec(line)?.[1];
          return path && /O_CREAT|mkdir|creat\(/.test(line) ? [path] : [];
        });
        const others = made.filter((path) => !/^(output|cache|\/dev\/null$)/.test(path));
        expect(others.filter((path) => !path.startsWith(join(root, 'work/output')))).toEqual([]);
        expect(readdirSync(join(root, 'home'))).toEqual([]);
        expect(readdirSync(join(root, 'tmp'))).toEqual([]);
        expect(readdirSync(join(root, 'work')).sort()).toEqual(kept);
      },
    );
  }
}
