/**
 * What the evidence scripts share: a run is a recipe that is trained (or goes on where it was stopped), evaluated beside a
 * baseline, and one line of a results file in docs/lab. A line that is there is not made again.
 */
import { appendFileSync, existsSync, mkdirSync, readFileSync } from 'node:fs';
import { spawnSync } from 'node:child_process';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { writeWhole } from '../../dist/files/write-whole.js';
import { openGates as openGatesOf } from '../../dist/training/experts.js';
import { byHash } from '../samples/sentences.mjs';

export const root = join(dirname(fileURLToPath(import.meta.url)), '../..');

/** The lines of docs/lab/<name>.jsonl, and how one is added. */
export function resultsFile(name) {
  const file = join(root, 'docs/lab', `${name}.jsonl`);
  const lines = existsSync(file) ? linesOf(file) : [];
  return {
    all: () => lines,
    /** @param wanted values that a line has */
    find: (wanted) => lines.find((line) => Object.entries(wanted).every(([key, value]) => line[key] === value)),
    add(line) {
      const whole = { ...line, date: new Date().toISOString().slice(0, 10) };
      lines.push(whole);
      appendFileSync(file, `${JSON.stringify(whole)}\n`);
      console.log(JSON.stringify(whole));
    },
  };
}

/** Runs a command of whisper-transfer. @throws where it fails */
export function cli(...args) {
  const { status } = spawnSync(process.execPath, [join(root, 'dist/cli/main.js'), ...args], { stdio: 'inherit' });
  if (status !== 0) throw new Error(`whisper-transfer ${args.join(' ')}: rc ${status}`);
}

const linesOf = (file) => readFileSync(file, 'utf8').split('\n').filter(Boolean).map((line) => JSON.parse(line));

/** A run that is stopped leaves a model, too. */
function isFinished(folder) {
  if (!existsSync(join(folder, 'config.json'))) return false;
  const { optimizer } = JSON.parse(readFileSync(join(folder, 'recipe.json'), 'utf8'));
  return linesOf(join(folder, 'metrics.jsonl')).at(-1)?.step === optimizer.steps;
}

/**
 * Trains a recipe into `folder`, unless it has been.
 * @returns what metrics.jsonl says: seconds of all steps, the lines of the steps and of the evaluations
 */
export async function train(folder, recipe, flags = []) {
  mkdirSync(dirname(folder), { recursive: true });
  await writeWhole(`${folder}.json`, `${JSON.stringify({ ...recipe, output: folder }, null, 2)}\n`);
  if (!isFinished(folder)) {
    const resume = existsSync(join(folder, 'checkpoints')) ? ['--resume'] : [];
    cli('train', `${folder}.json`, ...flags, ...resume);
  }
  const lines = linesOf(join(folder, 'metrics.jsonl'));
  const steps = lines.filter(({ loss }) => loss !== undefined);
  return {
    seconds: Math.round(steps.reduce((sum, { seconds }) => sum + seconds, 0)),
    steps,
    evaluations: lines.filter(({ devLoss }) => devLoss !== undefined),
  };
}

/** Clips of GCompris words in a language, each text once, in an order that looks random and is the same everywhere. */
export function wordsOf(clips, language) {
  const own = clips.filter((clip) => clip.set === 'words' && clip.language === language && clip.text !== '');
  const known = new Set();
  const once = own.filter(({ text }) => !known.has(text.toLowerCase()) && known.add(text.toLowerCase()));
  return byHash(once.map(({ translations: _, ...clip }) => ({ ...clip, en: clip.key })));
}

/** What English first is tested on: the new sentences (synthetic; English, German, French) and half B of GCompris (people). */
export function testClips(samples) {
  const keys = [...new Set(samples.filter(({ set }) => set === 'intro').map(({ key }) => key))].sort();
  const halfB = new Set(keys.filter((_, i) => i % 2 === 1));
  return samples.filter(({ set, key }) => set === 'new' || (set === 'intro' && halfB.has(key)));
}

/** Of a run with experts: the share of gates that are open at test, by layer, and their mean, over its last 20 steps. */
export function openGates(steps) {
  const gates = [...openGatesOf(steps.slice(-20))].map(([layer, share]) => /** @type {const} */ ([layer, Number(share.toFixed(3))]));
  if (gates.length === 0) return undefined;
  const layers = Object.fromEntries(gates);
  const mean = gates.reduce((sum, [, share]) => sum + share, 0) / gates.length;
  return { mean: Number(mean.toFixed(3)), ...layers };
}

const rounded = (value) => Number(value.toFixed(1));

/**
 * Evaluates a model beside a baseline (which may be the same).
 * @returns machine, and for each test and language: clips, and score, bounds of the 95 % interval, and the p-value of the
 * difference from the baseline, by metric
 */
export function evaluate(manifest, output, { baseline, model, metrics, flags = [] }) {
  const models = baseline === undefined || baseline === model ? [model] : [baseline, model];
  cli('evaluate', manifest, ...models.flatMap((one) => ['--model', one]), '--output', output, '--resume', ...flags);
  const { machine, rows } = JSON.parse(readFileSync(join(output, 'scores.json'), 'utf8'));
  const scores = {};
  for (const row of rows.filter((one) => one.model === basename(model) && one.languages === undefined)) {
    const kept = {};
    for (const metric of metrics) {
      const found = row.scores[metric];
      if (!found) continue;
      const { score, interval, comparison } = found;
      kept[metric] = [score, interval.low, interval.high].map(rounded);
      if (comparison) kept[metric].push(Number(comparison.pValue.toFixed(4)));
    }
    (scores[row.test] ??= {})[row.language] = { n: row.n, ...kept };
  }
  return { machine, scores };
}
