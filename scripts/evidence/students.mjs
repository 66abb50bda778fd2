// Students of DQ-Whisper (Shao et al. 2024): half of base's decoder layers, with and without a teacher, and with training for
// 8 bits; chrF over the steps beside the teacher's; then 8 and 4 bits, with size and time. Lines are appended to
// docs/lab/students.jsonl, one for each run and one for each point of its curve; goes on where it was stopped.
//
//     npm run build
//     node scripts/evidence/students.mjs [--teacher out/laptop] [--steps 120] [--every 20] [--only taught]...
//
// The teacher: a model that was trained into Chinese; by default Whisper base itself, and then the task is English recognition.
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { basename, join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { cli, evaluate, resultsFile, root, train } from './runs.mjs';

const { values } = parseArgs({
  options: {
    teacher: { type: 'string' },
    steps: { type: 'string', default: '120' },
    every: { type: 'string', default: '20' },
    only: { type: 'string', multiple: true },
    cache: { type: 'string' },
    threads: { type: 'string' },
  },
});
const steps = Number(values.steps);
const teacher = values.teacher ? resolve(values.teacher) : join(root, 'models/whisper-base-int8');
const target = values.teacher ? 'zh' : 'en';
const out = join(root, `out/students-${target}`);
const cache = values.cache ?? join(root, 'out/cache');
const threads = values.threads ? ['--threads', values.threads] : [];
const samples = join(root, 'samples/manifest.tsv');
const taught = { teacher, divergence: 'kl', weight: 0.9, hidden: 'dynamic', distance: 'mse' };
const RUNS = {
  alone: { tune: { decoderLayers: 3 } },
  taught: { tune: { decoderLayers: 3 }, objective: { distillation: taught } },
  'taught, 8 bits': {
    tune: { decoderLayers: 3, quantization: { bits: 8 } },
    objective: { distillation: { ...taught, distance: 'l1' } },
    dtype: 'float32',
  },
  'taught, 4 bits': {
    tune: { decoderLayers: 3, quantization: { bits: 4 } },
    objective: { distillation: { ...taught, distance: 'l1' } },
    dtype: 'float32',
  },
};
mkdirSync(out, { recursive: true });
const results = resultsFile('students');

const megabytes = (folder) =>
  readdirSync(folder)
    .filter((name) => name.endsWith('.safetensors'))
    .reduce((sum, name) => sum + statSync(join(folder, name)).size, 0) / 1e6;

function scored(run, model, more = {}) {
  const wanted = { run, target, steps };
  if (results.find(wanted)) return;
  const { machine, scores } = evaluate(samples, join(out, 'evaluation'), {
    ...{ baseline: teacher, model, metrics: target === 'en' ? ['wer', 'cer'] : ['bleu', 'chrf'] },
    flags: ['--set', 'test', '--cache', cache, ...(target === 'en' ? ['--task', 'transcribe'] : []), ...threads],
  });
  const { seconds } = JSON.parse(readFileSync(join(out, 'evaluation/scores.json'), 'utf8'));
  const size = Number(megabytes(model).toFixed(1));
  results.add({ ...wanted, seed: 1, megabytes: size, evaluationSeconds: Math.round(seconds), ...more, machine, scores: Object.values(scores)[0] });
}

scored('teacher', teacher);
for (const [run, keys] of Object.entries(RUNS)) {
  if (values.only && !values.only.includes(run)) continue;
  const folder = join(out, `${run.replace(/\W+/g, '-')}-${steps}`);
  const { seconds, evaluations } = await train(
    folder,
    {
      model: teacher,
      target,
      data: { corpora: [{ manifest: samples, set: 'train', language: 'en' }], cache },
      ...keys,
      optimizer: { steps, learningRate: 1e-4 },
      dev: { set: 'dev', every: Number(values.every), clips: 50, keep: 'last' },
      checkpointEvery: Number(values.every),
    },
    threads,
  );
  for (const { step, devLoss, devChrf } of evaluations) {
    const wanted = { run: `${run}: curve`, target, steps, step };
    if (!results.find(wanted)) results.add({ ...wanted, devLoss: Number(devLoss.toFixed(3)), devChrf: Number(devChrf.toFixed(1)) });
  }
  scored(run, folder, { seconds });
  for (const bits of ['8', '4']) {
    const rounded = `${folder}-int${bits}`;
    if (!existsSync(join(rounded, 'config.json'))) cli('quantize', folder, rounded, '--bits', bits);
    scored(`${run}, int${bits}`, rounded);
  }
}
console.log(`${basename(out)}: done`);
