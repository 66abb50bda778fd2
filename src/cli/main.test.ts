/** The command line as a script sees it: exit codes, one clear line for a mistake, JSON that does not change shape. */
import { execFile } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, expect, test, vi } from 'vitest';
import { writeTinyModel } from '../testing/tiny-model.ts';
import { recipeKeys } from '../training/recipe-keys.ts';
import { run } from './program.ts';

const path = (name: string) => fileURLToPath(new URL(name, import.meta.url));
const scratch = mkdtempSync(join(tmpdir(), 'whisper-transfer-'));
const elsewhere = process.cwd();
process.chdir(scratch);
afterAll(() => {
  process.chdir(elsewhere);
  rmSync(scratch, { recursive: true, force: true });
});
afterEach(() => vi.restoreAllMocks());

interface Ended {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs the command line in this process: what it prints is caught. */
async function runHere(...args: string[]): Promise<Ended> {
  const printed: [string[], string[]] = [[], []];
  for (const [i, stream] of [process.stdout, process.stderr].entries()) {
    vi.spyOn(stream, 'write').mockImplementation((text) => printed[i]!.push(String(text)) > 0);
  }
  vi.spyOn(console, 'log').mockImplementation((line) => printed[0].push(`${line}\n`));
  const code = await run(args);
  vi.restoreAllMocks();
  const [stdout, stderr] = printed.map((parts) => parts.join(''));
  return { code, stdout: stdout!, stderr: stderr! };
}

/** Runs it in a process of its own, as a shell does. */
const spawn = (...args: string[]) => spawnIn({}, ...args);

function spawnIn(env: NodeJS.ProcessEnv, ...args: string[]): Promise<Ended> {
  return new Promise((resolve) => {
    execFile(
      process.execPath,
      [path('../../dist/cli/main.js'), ...args],
      { cwd: scratch, env: { ...process.env, ...env } },
      (error, stdout, stderr) => {
        resolve({ code: error ? Number(error.code) : 0, stdout, stderr });
      },
    );
  });
}

const commands = [
  'demo',
  'transcribe',
  'translate',
  'live',
  'latency',
  'encode',
  'retrieve',
  'train',
  'evaluate',
  'score',
  'quantize',
  'align-heads',
  'lm',
  'prepare',
  'synthesise',
  'doctor',
];

test.each(commands)('%s --help shows an example', async (command) => {
  const { code, stdout } = await runHere(command, '--help');
  expect(code).toBe(0);
  expect(stdout).toMatch(/Examples?:/);
});

test('train --json-schema prints the schema that editors read', async () => {
  const { code, stdout } = await runHere('train', '--json-schema');
  expect(code).toBe(0);
  expect(stdout).toBe(readFileSync(path('../../recipes/recipe.schema.json'), 'utf8'));
  expect(JSON.parse(stdout).properties.optimizer.properties.steps).toMatchObject({
    type: 'integer',
    default: 200,
  });
});

test('train --help describes every key of a recipe within 100 columns', async () => {
  const { stdout } = await runHere('train', '--help');
  for (const { path } of recipeKeys()) if (path !== '$schema') expect(stdout).toContain(`\n  ${path} `);
  expect(stdout.split('\n').filter((line) => line.length > 100)).toEqual([]);
});

test('transcribe gives one JSON object a line in the order given; a bad file is reported and the others are transcribed', async () => {
  const good = path('../../samples/gcompris/en/advanced_colors.opus');
  const bad = join(scratch, 'text.wav');
  writeFileSync(bad, 'this is no sound\n');
  const { code, stdout, stderr } = await spawn('transcribe', good, bad, good, '--from', 'en', '--json');
  const lines = stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
  expect(lines.map(({ audio }) => audio)).toEqual([good, bad, good]);
  expect(lines[0]).toMatchObject({ language: 'en', text: 'Click on the required colour.' });
  expect(lines[1].error).toContain('text.wav');
  expect(lines[2].text).toBe(lines[0].text);
  expect(code).toBe(2);
  expect(stderr).toContain('1 of 3 files');
});

const mistakes: [string, string[], RegExp][] = [
  ['an unknown command', ['transcrib'], /unknown command/],
  ['an unknown option', ['transcribe', 'x.wav', '--form', 'en'], /unknown option/],
  ['a model that is not there', ['transcribe', 'x.wav', '--model', 'nowhere'], /nowhere/],
  [
    'an unknown language',
    ['transcribe', 'x.wav', '--from', 'xx'],
    /--from: found "xx"; expected a language, such as fr/,
  ],
  ...['transcribe', 'translate', 'evaluate'].flatMap((command): typeof mistakes => [
    [
      `${command}: a weight of no language model`,
      [command, 'x', '--beta', '0.3'],
      /--beta: expected --lm <model> with it/,
    ],
    [
      `${command}: rescoring without a language model`,
      [command, 'x', '--beam', '5', '--lm-rescore'],
      /--lm-rescore: expected --lm/,
    ],
    [
      `${command}: rescoring of one text`,
      [command, 'x', '--lm', 'a.arpa', '--lm-rescore'],
      /--lm-rescore: found --beam 1, .*expected --beam 2/,
    ],
  ]),
  [
    'the weight α of no language model',
    ['transcribe', 'x', '--alpha', '1'],
    /--alpha: expected --lm <model> with it/,
  ],
  [
    'the language of no language model',
    ['transcribe', 'x', '--lm-language', 'en'],
    /--lm-language: expected --lm/,
  ],
  ['an unknown window', ['transcribe', 'x.wav', '--window', 'half'], /full/],
  ['steps that are no number', ['train', 'm.tsv', '--output', 'o', '--steps', 'many'], /whole number/],
  ['a manifest that is not there', ['train', 'm.tsv', '--output', 'o'], /m\.tsv/],
  ['no output', ['train', 'm.tsv'], /--output: found nothing; expected a path/],
  ['no recipe', ['train'], /found no recipe/],
  ['a recipe that is not there', ['train', 'r.json'], /r\.json: found no such file/],
  [
    'an adapter of nothing',
    ['train', 'm.tsv', '--output', 'o', '--lora-projections', 'q_proj,query'],
    /--lora-projections: found "query"; expected one of q_proj, k_proj/,
  ],
  ['patience without evaluations', ['train', 'm.tsv', '--output', 'o', '--patience', '2'], /--dev-set/],
  [
    'a dev set that is trained on',
    ['train', 'm.tsv', '--output', 'o', '--set', 'a', '--dev-set', 'a'],
    /--dev-set: found "a", which is trained on/,
  ],
  [
    'a set that the manifest lacks',
    ['evaluate', path('../../samples/manifest.tsv'), '--set', 'nope'],
    /"nope"; it has .*en\/train/,
  ],
];
test.each(
  mistakes,
)('%s: exit code 2, what is wrong, no stack trace, nothing left behind', async (_, args, message) => {
  const before = readdirSync(scratch);
  const { code, stderr } = await runHere(...args);
  expect(code).toBe(2);
  expect(stderr).toMatch(message);
  expect(stderr).not.toMatch(/\n\s+at /);
  expect(readdirSync(scratch)).toEqual(before);
});

test('a mistake of the user’s, as a shell sees it: exit code 2 and one line', async () => {
  expect(await spawn('transcribe', 'x.wav', '--window', 'half')).toMatchObject({
    ...{ code: 2, stdout: '' },
    stderr: expect.stringMatching(/full/),
  });
  expect(await spawn('train', 'r.json')).toEqual({
    ...{ code: 2, stdout: '' },
    stderr: expect.stringMatching(/^error: .*r\.json: found no such file.*\n$/),
  });
});

test.each([
  ['--version', []],
  ['--help', []],
  ['transcrib', []],
  ['quantize', ['--help']],
])('%s loads no command but its own, and no library but that of the options', async (name, more) => {
  const coverage = mkdtempSync(join(tmpdir(), 'whisper-transfer-loaded-'));
  try {
    await spawnIn({ NODE_V8_COVERAGE: coverage }, name, ...more);
    const { result } = JSON.parse(readFileSync(join(coverage, readdirSync(coverage)[0]!), 'utf8'));
    const loaded = result.map(({ url }: { url: string }) => url);
    const libraries = loaded.flatMap(
      (url: string) => /node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(url)?.[1] ?? [],
    );
    expect([...new Set(libraries)]).toEqual(['commander']);
    const commands = loaded.flatMap((url: string) => /dist\/cli\/(\w+)\.js$/.exec(url)?.[1] ?? []);
    expect(commands).toEqual(
      more.length > 0 ? ['main', 'program', 'interrupt', name, 'options'] : ['main', 'program', 'interrupt'],
    );
  } finally {
    rmSync(coverage, { recursive: true, force: true });
  }
});

test('an error of the system is one line, and its stack trace is there on request', async () => {
  writeFileSync(join(scratch, 'a-file'), '');
  const command = ['lm', 'train', 'a-file/text.txt', '--to', 'en', '--output', 'a-file/below/model.arpa'];
  const plain = await spawn(...command);
  expect(plain.code).toBe(2);
  expect(plain.stderr).toMatch(/^error: .*model\.arpa: cannot be written: .* \(\w+\); expected .*\n$/);
  const traced = await spawnIn({ DEBUG: 'whisper-transfer' }, ...command);
  expect(traced.stderr.startsWith(plain.stderr)).toBe(true);
  expect(traced.stderr).toMatch(/\n {4}at /);
});

test('--threads and its variable are checked, and doctor shows the number', async () => {
  await writeTinyModel('tiny-doctor');
  const shown = async (env: NodeJS.ProcessEnv, ...flags: string[]) =>
    JSON.parse((await spawnIn(env, 'doctor', '--model', 'tiny-doctor', '--json', ...flags)).stdout).threads;
  expect(await shown({}, '--threads', '3')).toBe(3);
  expect(await shown({ WHISPER_TRANSFER_THREADS: '2' })).toBe(2);
  expect(await spawn('doctor', '--threads', '0')).toMatchObject({
    code: 2,
    stderr: expect.stringMatching(/'--threads <n>' argument '0' is invalid\. Expected a whole number from 1/),
  });
});

test('an empty argument, mostly a variable that is not set, is refused: as a path it is the working directory', async () => {
  const expected = 'found an empty text; expected a value, such as of a variable that is set\n';
  expect(await runHere('encode', 'clips.tsv', '--cache', '')).toMatchObject({
    code: 2,
    stderr: `error: --cache: ${expected}`,
  });
  expect((await runHere('transcribe', 'a.wav', '--results=')).stderr).toBe(`error: --results: ${expected}`);
  expect((await runHere('transcribe', '')).stderr).toBe(`error: argument: ${expected}`);
});

test('--cache off keeps nothing, also not in the working directory', async () => {
  const speech = path('../../samples/gcompris/en/maze.opus');
  writeFileSync('off.tsv', `audio\tlang\tkey\ttext_zh\n${speech}\ten\tmaze\t迷宫\n`);
  await writeTinyModel('tiny-off');
  const before = readdirSync('.');
  const args = ['off.tsv', '--to', 'zh', '--model', 'tiny-off', '--max-tokens', '3', '--cache', 'off'];
  expect(await runHere('evaluate', ...args, '--output', 'scored-off')).toMatchObject({ code: 0 });
  expect(readdirSync('.').filter((name) => !before.includes(name))).toEqual(['scored-off']);
});
