/** What users copy: the programs in examples/ compile and run, and the code in the README and the docs compiles. */
import { execFile } from 'node:child_process';
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { beforeAll, expect, test } from 'vitest';

const run = promisify(execFile);
const root = fileURLToPath(new URL('../..', import.meta.url));
/** In the repository, so that 'whisper-transfer' is what was built here. */
const output = join(root, 'out', 'examples');

const clip = (language: string, key: string) => join(root, 'samples', 'gcompris', language, `${key}.opus`);
const sample = clip('en', 'algebra_plus');
const french = clip('fr', 'algebra_plus');
const SAID = /the two numbers together and type in your answer before/;

beforeAll(async () => {
  await rm(output, { recursive: true, force: true });
  await mkdir(output, { recursive: true });
  const pages = ['README.md', ...(await readdir(join(root, 'docs'))).map((name) => `docs/${name}`)];
  for (const page of pages.filter((name) => name.endsWith('.md'))) {
    const text = await readFile(join(root, page), 'utf8');
    for (const [i, [, code]] of [...text.matchAll(/^```ts\b[^\n]*\n(.*?)^```/gms)].entries()) {
      await writeFile(join(output, `${page.replace('/', '-')}-${i + 1}.ts`), `${code}\nexport {};\n`);
    }
  }
  const tsconfig = {
    extends: '../../examples/tsconfig.json',
    compilerOptions: { noEmit: false, noUnusedLocals: false, rootDir: '../..', outDir: 'js' },
    include: ['../../examples', '*.ts'],
    exclude: [],
  };
  await writeFile(join(output, 'tsconfig.json'), JSON.stringify(tsconfig));
  const compiler = join(root, 'node_modules', 'typescript', 'bin', 'tsc');
  const { stdout } = await run(process.execPath, [compiler, '-p', output]).catch((error) => error);
  if (stdout) throw new Error(`examples and documentation do not compile:\n${stdout}`);
});

/** What the example prints; nothing on standard error. */
async function example(name: string, ...parameters: string[]): Promise<string> {
  const { stdout, stderr } = await run(process.execPath, [
    join(output, 'js', 'examples', name),
    ...parameters,
  ]);
  expect(stderr).toBe('');
  return stdout;
}

test('transcribe', async () => {
  const lines = (await example('transcribe.js', sample, french)).split('\n');
  expect(lines[0]).toMatch(SAID);
  expect(lines[1]).toMatch(/^ {2}\d\.\d\d s \w+/);
  expect(lines.find((line) => line.startsWith(french))).toMatch(/\(fr\)/);
});

test('translate', async () => {
  expect(await example('translate.js', french)).toMatch(/^fr, \d+ % sure\nen: .* before the ball falls/);
});

test('sources', async () => {
  const lines = (await example('sources.js', sample)).trim().split('\n');
  expect(lines[0]).toMatch(SAID);
  expect(lines[1]).toBe(lines[0]);
  expect(lines.slice(2)).toEqual([
    '1 s of a tone',
    expect.stringMatching(/^left out: Blob: found text \("no sound"\)/),
    'en',
  ]);
});

test('abort', async () => {
  expect(await example('abort.js', sample)).toMatch(/two/);
});

test('subtitles', async () => {
  expect(await example('subtitles.js', sample)).toMatch(
    /^WEBVTT\n\n00:\d\d\.\d+ --> 00:\d\d\.\d+\n.*numbers/s,
  );
});

test('language model', async () => {
  const arpa = join(output, 'texts.arpa');
  const words = ['ask', 'the', 'two', 'numbers', 'together'];
  const unigrams = ['<unk>', '<s>', '</s>', ...words].map((word) => `-1\t${word}\n`).join('');
  await writeFile(arpa, `\\data\\\nngram 1=${words.length + 3}\n\n\\1-grams:\n${unigrams}\n\\end\\\n`);
  const [without, with_] = (await example('language-model.js', sample, arpa)).split('\n');
  expect(without).toMatch(SAID);
  expect(with_).not.toBe('');
});

test('train', async () => {
  const manifest = join(output, 'train.tsv');
  const rows = ['colors', 'maze', 'money'].map((key) => `${clip('en', key)}\ten\ttrain\t${key}\t点击`);
  await writeFile(manifest, ['audio\tlang\tset\tkey\ttext_zh', ...rows].join('\n'));
  const lines = (await example('train.js', manifest, join(output, 'model'), '2')).trim().split('\n');
  expect(lines).toEqual([
    expect.stringMatching(/^step 1: loss \d/),
    expect.stringMatching(/^step 2: loss \d/),
    expect.stringMatching(/^loss \d.*model$/),
    'translates into zh',
  ]);
});

test('retrieve', async () => {
  const manifest = join(output, 'retrieve.tsv');
  const rows = ['algebra_by', 'algebra_plus', 'algebra_minus'].flatMap((key) =>
    ['en', 'fr'].map((language) => `${clip(language, key)}\t${language}\tintro\t${key}`),
  );
  await writeFile(manifest, ['audio\tlang\tset\tkey', ...rows].join('\n'));
  expect(await example('retrieve.js', manifest, 'intro', 'fr', 'en')).toMatch(
    /^seqsim\+csls: R@1 [01]\.\d\d and MRR [01]\.\d\d among 3\n$/,
  );
});

test('score', async () => {
  expect(await example('score.js')).toMatch(
    /^BLEU \d+\.\d \(.*\)\nchrF \d+\.\d, p = \d\.\d+ against the baseline\n$/,
  );
});
