/** The text checks of `check` on a manifest of 300,000 rows: time, and memory besides that of few rows. */
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { readManifest } from '../src/data/manifest.ts';
import { inPieces } from '../src/files/write-whole.ts';
import { measuredProcess } from './measured-process.ts';
import type { BenchOptions } from './options.ts';
import { type BenchResult, inRepository } from './result.ts';
import { seconds } from './statistics.ts';

const MAX_SECONDS = 120;
const MAX_BYTES = 500e6;
const FEW = 3000;

export async function checkRows({ rows = 300_000 }: BenchOptions): Promise<BenchResult> {
  const folder = inRepository('out/bench/check-rows');
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  const texts = (await readManifest(inRepository('samples/manifest.tsv'))).filter(({ text }) => text !== '');
  const costs = [];
  for (const count of [FEW, rows]) {
    const manifest = join(folder, `${count}.tsv`);
    const line = (i: number): string => {
      const { language, text, translations, duration } = texts[i % texts.length]!;
      // Numbers make sentences of their own.
      const zh = `${translations.zh ?? ''}（${i}）`;
      return `clips/${i}.opus\t${language}\ttrain\t${i}\t${text} ${i}\t${zh}\t${duration}\tspeaker ${i % 5000}\n`;
    };
    const header = 'audio\tlang\tset\tkey\ttext\ttext_zh\tduration_s\tspeaker\n';
    writeFileSync(manifest, header);
    for (const piece of inPieces(
      Array.from({ length: count }, (_, i) => i),
      line,
    ))
      writeFileSync(manifest, piece, { flag: 'a' });
    costs.push(await measuredProcess(['check', manifest, '--no-audio', '--json'], { scratch: folder }));
  }
  const [few, many] = costs as [(typeof costs)[number], (typeof costs)[number]];
  rmSync(folder, { recursive: true, force: true });
  const told = ({ seconds: took, cpu, bytes }: typeof few): string =>
    `${seconds(took)}, ${seconds(cpu)} of processor time, ${(bytes / 2 ** 20).toFixed(0)} MiB`;
  return {
    title: `check --no-audio of ${rows} rows with a translation`,
    rows: [
      { measure: `${FEW} rows`, ours: told(few) },
      { measure: `${rows} rows`, ours: told(many) },
    ],
    goals: [
      {
        goal: `at most ${MAX_SECONDS} s of processor time`,
        found: seconds(many.cpu),
        reached: many.cpu <= MAX_SECONDS,
        farMissed: many.cpu > 2 * MAX_SECONDS,
      },
      {
        goal: `less than ${MAX_BYTES / 1e6} MB besides what ${FEW} rows take`,
        found: `${((many.bytes - few.bytes) / 1e6).toFixed(0)} MB`,
        reached: many.bytes - few.bytes < MAX_BYTES,
        farMissed: many.bytes - few.bytes > 2 * MAX_BYTES,
      },
    ],
    notes: ['memory: largest resident set of the process; of it 240 MB are the identifier of languages'],
    raw: { few, many },
  };
}
