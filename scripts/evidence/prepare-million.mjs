// Time and memory of `prepare` for a corpus of a million rows:
//   npm run build && node scripts/evidence/prepare-million.mjs [rows]
// JSONL, as a table of one's own, and a Kaldi folder, whose four tables are joined. The recordings are one file, which is
// looked up for each row.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const rows = Number(process.argv[2] ?? 1_000_000);
const main = new URL('../../dist/cli/main.js', import.meta.url).pathname;
const folder = mkdtempSync(join(tmpdir(), 'prepare-'));

/** @param {(i: number) => string} line @param {string} [header] */
async function write(/** @type {string} */ name, line, header) {
  const lines = function* () {
    if (header) yield `${header}\n`;
    for (let i = 0; i < rows; i += 1000) {
      let piece = '';
      for (let j = i; j < Math.min(i + 1000, rows); j++) piece += `${line(j)}\n`;
      yield piece;
    }
  };
  await writeFile(join(folder, name), lines());
  return join(folder, name);
}

/** Runs a command and prints its seconds and its largest memory. */
function measure(/** @type {string} */ what, /** @type {string[]} */ args) {
  const output = join(folder, 'm.tsv');
  const report = join(folder, 'usage.json');
  // The process writes down its own largest memory as it ends.
  const hook = `data:text/javascript,import{writeFileSync}from'node:fs';process.on('exit',()=>writeFileSync(${JSON.stringify(report)},String(process.resourceUsage().maxRSS)))`;
  const start = performance.now();
  const { status, stdout, stderr } = spawnSync(process.execPath, ['--import', hook, main, 'prepare', ...args, '--output', output], {
    encoding: 'utf8',
  });
  const seconds = (performance.now() - start) / 1000;
  if (status !== 0) throw new Error(stderr);
  const peak = Number(readFileSync(report, 'utf8')) / 1024;
  const size = statSync(output).size / 2 ** 20;
  console.log(`${what}: ${rows} rows, ${seconds.toFixed(1)} s, at most ${peak.toFixed(0)} MiB; manifest of ${size.toFixed(0)} MiB`);
  console.log(`  ${stdout.trim().replace(folder, '')}`);
}

try {
  await writeFile(join(folder, 'a.wav'), '');
  const sentence = (/** @type {number} */ i, /** @type {string} */ word) => `${word} ${i}: a sentence that is about as long as those of a corpus are.`;
  const own = await write('own.jsonl', (i) =>
    JSON.stringify({ audio: 'a.wav', id: `c${i}`, text: sentence(i, 'Sentence'), text_de: sentence(i, 'Satz'), speaker: `s${i % 1000}`, duration: 2.2 }),
  );
  measure('JSONL', ['table', own, '--from', 'en']);
  await mkdir(join(folder, 'train'));
  const id = (/** @type {number} */ i) => `utt${String(i).padStart(8, '0')}`;
  await write('train/wav.scp', (i) => `${id(i)} ${join(folder, 'a.wav')}`);
  await write('train/text', (i) => `${id(i)} ${sentence(i, 'Sentence')}`);
  await write('train/text.de', (i) => `${id(i)} ${sentence(i, 'Satz')}`);
  await write('train/utt2spk', (i) => `${id(i)} s${i % 1000}`);
  measure('Kaldi, four tables', ['kaldi', join(folder, 'train'), '--from', 'en']);
} finally {
  rmSync(folder, { recursive: true, force: true });
}
