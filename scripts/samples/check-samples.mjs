// Checks samples/: every recording decodes, lasts what the manifest says, and held-out sentences are held out.
//   node scripts/samples/check-samples.mjs [samples]

import { join } from 'node:path';
import { decodeFile } from './opus.mjs';
import { han, readTable, words } from './sentences.mjs';

const DURATION_TOLERANCE_S = 0.1;
const folder = process.argv[2] ?? 'samples';
const rows = readTable(join(folder, 'manifest.tsv'));
const problems = [];

const groups = new Map();
for (const row of rows) {
  const { seconds, samples } = await decodeFile(join(folder, row.audio));
  if (Math.abs(seconds - Number(row.duration_s)) > DURATION_TOLERANCE_S) {
    problems.push(`${row.audio}: ${seconds.toFixed(3)} s, the manifest says ${row.duration_s}`);
  }
  if (!samples.some((x) => Math.abs(x) > 0.05)) problems.push(`${row.audio}: silent`);
  if (!row.zh || !row.en || !row.voice) problems.push(`${row.audio}: an empty column`);
  const group = `${row.audio.split('/')[0]} ${row.lang} ${row.set} (${row.voice})`;
  const { count = 0, total = 0 } = groups.get(group) ?? {};
  groups.set(group, { count: count + 1, total: total + seconds });
}

const english = (row) => words(row.en).join(' ');
const chinese = (row) => han(row.zh).join('');
const train = rows.filter((row) => row.set === 'train');
const trainEnglish = new Set(train.map(english));
const trainChinese = new Set(train.map(chinese));
for (const row of rows.filter((r) => ['new', 'dev', 'test'].includes(r.set))) {
  if (trainEnglish.has(english(row)) || trainChinese.has(chinese(row))) {
    problems.push(`${row.audio}: its sentence is in train`);
  }
}

for (const [group, { count, total }] of groups) console.log(`${group}\t${count}\t${total.toFixed(0)} s`);
for (const problem of problems) console.error(problem);
process.exitCode = problems.length > 0 ? 1 : 0;
