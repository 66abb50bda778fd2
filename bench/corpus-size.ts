/**
 * Corpora of 3,000, 30,000 and 300,000 recordings, links to short ones of samples/, through encode, train, retrieve (reading
 * and start: the comparison is quadratic), transcribe (list and folder) and evaluate with a tiny model, so that the data side
 * is what is measured: does the time of a row stay the same, and does the memory of the process stay small?
 */
import { linkSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { readCheckpoint, writeCheckpoint } from '../src/checkpoint/checkpoint.ts';
import { readManifest } from '../src/data/manifest.ts';
import { inPieces } from '../src/files/write-whole.ts';
import { startProgress } from '../src/report/progress.ts';
import { writeTinyModel } from '../src/testing/tiny-model.ts';
import { measuredProcess, type ProcessCost } from './measured-process.ts';
import type { BenchOptions } from './options.ts';
import { type BenchResult, inRepository } from './result.ts';
import { seconds } from './statistics.ts';

const MAX_BYTES = 1.5e9;
/** Largest factor of the time of a further row among many, to that among few. */
const MAX_GROWTH = 1.5;
/** A row that takes less, in seconds, is lost in the noise of starting a process. */
const NOISE = 1e-4;
/** A goal missed by this factor is no matter of a busy machine. */
const FAR = 2;
/** Seconds; longer recordings cost time and show nothing more. */
const SHORT = 3;
/** Rows of `transcribe` and `evaluate` that are decoded; the others resume from results. */
const DECODED = 200;

interface Measured extends ProcessCost {
  readonly command: string;
  readonly rows: number;
}

interface Command {
  readonly name: string;
  readonly args: readonly string[];
  /** A stage of work, as progress names it, that ends the measurement. */
  readonly until?: string;
}

export async function corpusSize({ model: directory, rows = 300_000 }: BenchOptions): Promise<BenchResult> {
  const sizes = [rows / 100, rows / 10, rows].map(Math.ceil);
  const folder = inRepository('out/bench/corpus-size');
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  const model = join(folder, 'model');
  await writeBriefModel(model, directory);
  const measured: Measured[] = [];
  for (const size of sizes) {
    const own = join(folder, String(size));
    const manifest = await writeCorpus(own, size);
    for (const command of await commandsOf(manifest, own, model, size)) {
      const found = await run(command, size, own);
      measured.push(found);
      process.stderr.write(`${found.command}, ${size} rows: ${told(found)}\n`);
    }
    rmSync(own, { recursive: true });
  }
  rmSync(folder, { recursive: true, force: true });

  const commands = measured.slice(0, measured.length / sizes.length);
  // Of few rows nearly all is model, runtime and program.
  const memories = commands.map(({ command, bytes }) => ({
    command,
    bytes: Math.max(...measured.filter((one) => one.command === command).map((one) => one.bytes)) - bytes,
  }));
  const largest = memories.reduce((a, b) => (a.bytes >= b.bytes ? a : b));
  const growths = commands.map(({ command }) => {
    const [few, more, many] = measured.filter((one) => one.command === command) as [
      Measured,
      Measured,
      Measured,
    ];
    return { command, growth: Math.max(NOISE, rowTime(more, many)) / Math.max(NOISE, rowTime(few, more)) };
  });
  const worst = growths.reduce((a, b) => (a.growth >= b.growth ? a : b));
  return {
    title: `Corpora of ${sizes.join(', ')} recordings, tiny model`,
    rows: measured.map((one) => ({ measure: `${one.command}, ${one.rows} rows`, ours: told(one) })),
    goals: [
      {
        goal: `less than ${MAX_BYTES / 1e9} GB besides what ${sizes[0]} rows take with model and runtime`,
        found: memories.map(({ command, bytes }) => `${command} ${(bytes / 1e9).toFixed(2)}`).join(', '),
        reached: largest.bytes < MAX_BYTES,
        farMissed: largest.bytes > FAR * MAX_BYTES,
      },
      {
        goal: `a further row takes at most ${MAX_GROWTH} times as long from ${sizes[1]} to ${sizes[2]} as from ${sizes[0]} to ${sizes[1]}`,
        found: growths.map(({ command, growth }) => `${command} ${growth.toFixed(2)}`).join(', '),
        reached: worst.growth <= MAX_GROWTH,
        farMissed: worst.growth > FAR * MAX_GROWTH,
      },
    ],
    notes: [
      'memory: largest resident set of the whole process, model and runtime included; times of rows: processor time',
      `transcribe and evaluate decode ${DECODED} rows and resume from results of the others; train: 3 steps; retrieve: until it compares`,
    ],
    raw: { measured },
  };
}

const rowTime = (few: Measured, many: Measured): number => (many.cpu - few.cpu) / (many.rows - few.rows);

const told = ({ command, rows, seconds: took, first, bytes, cpu }: Measured): string =>
  `${seconds(took)}, ${((1e3 * cpu) / rows).toFixed(2)} ms of processor time a row, ${(bytes / 1e6).toFixed(0)} MB` +
  (command === 'train' ? `, first step after ${seconds(first)}` : '');

/** A tiny model whose texts are one token: decoding longer ones costs time. */
async function writeBriefModel(folder: string, base: string): Promise<void> {
  await writeTinyModel(folder, {}, 1, base);
  const checkpoint = await readCheckpoint(folder);
  const { width } = checkpoint.dimensions;
  const weight = (name: string) => checkpoint.weights.get(`model.decoder.${name}.weight`)!.data;
  const bias = checkpoint.weights.get('model.decoder.layer_norm.bias')!.data;
  const embedding = weight('embed_tokens');
  const [word, endOfText] = [2000, 50257];
  weight('layer_norm').fill(0.01);
  bias.fill(1);
  embedding.fill(3, word * width, (word + 1) * width);
  embedding.fill(4, endOfText * width, (endOfText + 1) * width);
  await writeCheckpoint(folder, checkpoint, { dtype: 'float32' });
}

async function commandsOf(manifest: string, own: string, model: string, rows: number): Promise<Command[]> {
  const cached = ['--model', model, '--cache', join(own, 'cache')];
  const train = '--set train --to zh --steps 3 --batch-size 16 --warmup 1 --json --output'.split(' ');
  const [listed, found] = [join(own, 'list.jsonl'), join(own, 'folder.jsonl')];
  const transcribe = (input: string, results: string): string[] => [
    ...['transcribe', input, '--model', model, '--from', 'en', '--max-tokens', '4', '--results', results],
    ...['--resume', '--json'],
  ];
  const output = join(own, 'evaluated');
  const evaluate = (input: string): string[] => [
    ...['evaluate', input, ...cached, '--to', 'zh', '--max-tokens', '4', '--output', output, '--resume'],
    ...['--paired-test', 'bootstrap', '--samples', '100'],
  ];
  const few = join(own, 'few.tsv');
  const lines = readFileSync(manifest, 'utf8').split('\n');
  writeFileSync(few, lines.slice(0, 1 + DECODED).join('\n'));
  await run({ name: 'few', args: transcribe(few, listed) }, rows, own);
  resumed(listed, rows, (name) => join(own, name));
  writeFileSync(found, readFileSync(listed));
  await run({ name: 'few', args: evaluate(few) }, rows, own);
  resumed(join(output, 'predictions.jsonl'), rows, (name) => name);
  return [
    { name: 'encode', args: ['encode', manifest, ...cached] },
    { name: 'train', args: ['train', manifest, ...cached, ...train, join(own, 'out')] },
    {
      name: 'retrieve',
      args: ['retrieve', manifest, ...cached, '--all-pairs', '--metrics', 'mean-pool'],
      until: 'comparing pairs',
    },
    { name: 'transcribe list', args: transcribe(manifest, listed) },
    { name: 'transcribe folder', args: transcribe(join(own, 'clips'), found) },
    { name: 'evaluate', args: evaluate(manifest) },
  ];
}

/** Repeats the results of the first rows for the others, except for the last ones. */
function resumed(file: string, rows: number, audioOf: (name: string) => string): void {
  const results = readFileSync(file, 'utf8')
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as object);
  const places = Array.from({ length: rows - DECODED }, (_, i) => i);
  const lines = inPieces(
    places,
    (i) => `${JSON.stringify({ ...results[i % results.length], audio: audioOf(nameOf(i)) })}\n`,
  );
  writeFileSync(file, '');
  for (const piece of lines) writeFileSync(file, piece, { flag: 'a' });
}

const nameOf = (row: number): string => `clips/${Math.floor(row / 1000)}/${row}.opus`;

/** Links to short recordings of samples/, each with its texts; in turn, so that all languages are in it. */
async function writeCorpus(folder: string, rows: number): Promise<string> {
  const samples = (await readManifest(inRepository('samples/manifest.tsv'))).filter(
    ({ duration, translations }) => duration < SHORT && translations.zh,
  );
  const progress = startProgress('linking recordings', rows);
  const lines: string[] = [];
  for (let i = 0; i < rows; i++) {
    const { audio, language, text, key, translations, duration } = samples[i % samples.length]!;
    const name = nameOf(i);
    if (i % 1000 === 0) mkdirSync(join(folder, 'clips', String(Math.floor(i / 1000))), { recursive: true });
    linkSync(audio, join(folder, name));
    const { en = '', zh } = translations;
    const round = `${key} ${Math.floor(i / samples.length)}`;
    lines.push([name, language, 'train', round, text, en, zh, duration].join('\t'));
    progress.update(i + 1);
  }
  progress.done();
  const manifest = join(folder, 'manifest.tsv');
  writeFileSync(manifest, `audio\tlang\tset\tkey\ttext\ttext_en\ttext_zh\tduration_s\n${lines.join('\n')}\n`);
  return manifest;
}

async function run({ name, args, until }: Command, rows: number, own: string): Promise<Measured> {
  let said = '';
  const cost = await measuredProcess(args, {
    scratch: own,
    onError: (text, stop) => {
      said = `${said}${text}`.slice(-2000);
      if (until !== undefined && said.includes(until)) stop();
    },
  });
  return { command: name, rows, ...cost };
}
