/**
 * Corpora of 3,000 and of `--rows` recordings (300,000 by default), links to those of samples/, through train, encode,
 * evaluate and retrieve with a tiny model, so that the data side is what is measured: does the time of a row stay the same,
 * and does the memory of the process stay small?
 */
import { execFile } from 'node:child_process';
import { linkSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { readManifest } from '../src/data/manifest.ts';
import { startProgress } from '../src/report/progress.ts';
import { writeTinyModel } from '../src/testing/tiny-model.ts';
import type { BenchOptions } from './options.ts';
import { type BenchResult, inRepository } from './result.ts';
import { seconds } from './statistics.ts';

const FEW = 3000;
const MAX_BYTES = 1.5e9;
/** Largest factor of the time of a row from few rows to many. */
const MAX_GROWTH = 1.5;

interface Measured {
  readonly command: string;
  readonly rows: number;
  /** Wall-clock time, and until the first line on standard output: the first step of `train`. */
  readonly seconds: number;
  readonly first: number;
  readonly bytes: number;
  /** Seconds of processor time: other programs do not count. */
  readonly cpu: number;
}

export async function corpusSize({ model: directory, rows: many }: BenchOptions): Promise<BenchResult> {
  const folder = inRepository('out/bench/corpus-size');
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  const model = join(folder, 'model');
  await writeTinyModel(model, {}, 1, directory);
  const measured: Measured[] = [];
  for (const rows of [FEW, many]) {
    const own = join(folder, String(rows));
    const manifest = await writeCorpus(own, rows);
    for (const [command, args] of commandsOf(manifest, own, model)) {
      measured.push(await run(command, args, rows, own));
      const { seconds: took, first, bytes, cpu } = measured.at(-1)!;
      process.stderr.write(
        `${command}, ${rows} rows: ${took.toFixed(1)} s (${cpu.toFixed(1)} s of processor time), first line after ${first.toFixed(1)} s, ` +
          `${(bytes / 1e6).toFixed(0)} MB\n`,
      );
    }
  }
  const peak = measured.reduce((most, { bytes }) => Math.max(most, bytes), 0);
  const growth = measured
    .filter(({ rows }) => rows === many)
    .map(({ command, cpu }) => {
      const few = measured.find((one) => one.command === command && one.rows === FEW)!;
      return { command, growth: cpu / many / (few.cpu / FEW) };
    });
  const worst = growth.reduce((a, b) => (a.growth >= b.growth ? a : b));
  rmSync(folder, { recursive: true, force: true });
  return {
    title: `Corpora of ${FEW} and of ${many} recordings, tiny model`,
    rows: measured.map(({ command, rows, seconds: took, first, bytes, cpu }) => ({
      measure: `${command}, ${rows} rows`,
      ours: `${seconds(took)}, ${((1e3 * cpu) / rows).toFixed(2)} ms of processor time a row, ${(bytes / 1e6).toFixed(0)} MB${
        command === 'train' ? `, first step after ${seconds(first)}` : ''
      }`,
    })),
    goals: [
      {
        goal: `less than ${MAX_BYTES / 1e9} GB`,
        found: `${(peak / 1e9).toFixed(2)} GB`,
        reached: peak < MAX_BYTES,
      },
      {
        goal: `a row takes at most ${MAX_GROWTH} times as long among many`,
        found: `${worst.growth.toFixed(2)} (${worst.command})`,
        reached: worst.growth <= MAX_GROWTH,
      },
    ],
    notes: ['memory: largest resident set of the whole process, model and runtime included'],
    raw: { measured },
  };
}

function commandsOf(manifest: string, own: string, model: string): [string, string[]][] {
  const cached = ['--model', model, '--cache', join(own, 'cache')];
  const train = `--set train --to zh --steps 5 --batch-size 16 --warmup 1 --json --output ${join(own, 'out')}`;
  return [
    ['train', ['train', manifest, ...cached, ...train.split(' ')]],
    ['encode', ['encode', manifest, ...cached]],
    [
      'evaluate',
      [
        ...['evaluate', manifest, ...cached, '--to', 'zh', '--set', 'train', '--max-tokens', '4'],
        ...['--window', 'fit', '--output', join(own, 'evaluated')],
      ],
    ],
    ['retrieve', ['retrieve', manifest, ...cached, '--from', 'ca', '--to', 'en', '--metrics', 'mean-pool']],
  ];
}

/** Links to the recordings of samples/, each with its texts; in turn, so that all languages are in it. */
async function writeCorpus(folder: string, rows: number): Promise<string> {
  const samples = await readManifest(inRepository('samples/manifest.tsv'));
  const progress = startProgress('linking recordings', rows);
  const lines: string[] = [];
  for (let i = 0; i < rows; i++) {
    const { audio, language, text, key, translations, duration } = samples[i % samples.length]!;
    const name = `clips/${Math.floor(i / 1000)}/${i}.opus`;
    if (i % 1000 === 0) mkdirSync(join(folder, 'clips', String(Math.floor(i / 1000))), { recursive: true });
    linkSync(audio, join(folder, name));
    const round = Math.floor(i / samples.length);
    lines.push(
      [
        name,
        language,
        'train',
        `${key} ${round}`,
        text,
        translations.en ?? '',
        translations.zh ?? '',
        duration,
      ].join('\t'),
    );
    progress.update(i + 1);
  }
  progress.done();
  const manifest = join(folder, 'manifest.tsv');
  writeFileSync(manifest, `audio\tlang\tset\tkey\ttext\ttext_en\ttext_zh\tduration_s\n${lines.join('\n')}\n`);
  return manifest;
}

function run(command: string, args: readonly string[], rows: number, own: string): Promise<Measured> {
  const memory = join(own, `${command}.memory`);
  const report = `import fs from 'node:fs'; process.on('exit', () => { const { maxRSS, userCPUTime, systemCPUTime } = process.resourceUsage(); fs.writeFileSync(${JSON.stringify(memory)}, JSON.stringify([1024 * maxRSS, (userCPUTime + systemCPUTime) / 1e6])); });`;
  const started = performance.now();
  const since = () => (performance.now() - started) / 1000;
  return new Promise((resolve, reject) => {
    let first: number | undefined;
    const child = execFile(
      process.execPath,
      [
        '--import',
        `data:text/javascript,${encodeURIComponent(report)}`,
        inRepository('dist/cli/main.js'),
        ...args,
      ],
      { maxBuffer: 2 ** 30 },
      (error, _, stderr) => {
        if (error) reject(new Error(`${command}: ${stderr.slice(-2000)}`));
        else {
          const [bytes, cpu] = JSON.parse(readFileSync(memory, 'utf8')) as [number, number];
          resolve({ command, rows, seconds: since(), first: first ?? since(), bytes, cpu });
        }
      },
    );
    child.stdout!.once('data', () => {
      first = since();
    });
  });
}
