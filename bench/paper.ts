/**
 * `recipes/paper.json` on a corpus of CoVoST 2's layout and length, whose recordings are links to people's English sentences in
 * samples/: `prepare covost`, a hundred batches through the encoder, and the first of its 4,000 steps, with the embedded
 * model and with random weights in the shape of Whisper small. From these, what the whole run costs.
 *
 * All is kept in out/bench/paper: run again, it goes on where it stopped. Each number of steps is a line of docs/lab/paper.jsonl.
 */
import {
  appendFileSync,
  existsSync,
  linkSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { defaultThreads } from '../src/backend/threads.ts';
import { dimensionsFromConfig } from '../src/checkpoint/checkpoint.ts';
import type { Clip } from '../src/data/clip.ts';
import { UserError } from '../src/errors.ts';
import { encodedBytes } from '../src/features/encoded-record.ts';
import { HEADER_BYTES } from '../src/features/shards.ts';
import { inPieces } from '../src/files/write-whole.ts';
import { formatNumber } from '../src/report/format.ts';
import { machine } from '../src/report/machine.ts';
import { startProgress } from '../src/report/progress.ts';
import { writeTinyModel } from '../src/testing/tiny-model.ts';
import { windowFrames } from '../src/whisper/encoded-clip.ts';
import { measuredProcess } from './measured-process.ts';
import type { BenchOptions } from './options.ts';
import { type BenchResult, type Goal, inRepository, type Row } from './result.ts';
import { sentences } from './speech.ts';
import { median, seconds } from './statistics.ts';

/** English clips to train on in CoVoST 2. */
const ROWS = 289_430;
const { optimizer, dev } = JSON.parse(readFileSync(inRepository('recipes/paper.json'), 'utf8')) as {
  optimizer: { steps: number; batchSize: number };
  dev: { every: number; clips: number };
};
const LINES = inRepository('docs/lab/paper.jsonl');
const BATCHES = 100;
/** Texts of about the same length as what is said that a recording gets in turn. */
const NEAR = 100;
/** The whole corpus takes more than many disks have; as each clip is visited at most once, the steps lose nothing. */
const CACHE_LIMIT = '8GB';
/** Dev clips whose translation is timed. */
const EVALUATED = 64;
/** Over fewer, the loss falls less than batches differ, as the rate is still a small part of what it will be. */
const LEAST_STEPS = 30;
/** Share by which the peak may exceed the estimate. */
const MAX_EXCESS = 0.2;
const SMALL = {
  ...{ width: 768, encoderFfn: 3072, decoderFfn: 3072 },
  ...{ encoderLayers: 12, decoderLayers: 12, encoderHeads: 12, decoderHeads: 12 },
};

export const PAPER_MODELS = ['base', 'small'];

interface Step {
  readonly step: number;
  readonly loss?: number;
  readonly clips: number;
  readonly seconds: number;
  readonly framePadding: number;
  readonly tokenPadding: number;
  readonly tokens: number;
}

/** What is measured once for a model, and of each of its runs. */
interface State {
  /** Seconds of encoding a clip, of so many different ones, and seconds of a clip that the cache has. */
  encoder?: { readonly clip: number; readonly known: number; readonly clips: number };
  /** Seconds of translating a dev clip. */
  evaluation?: number;
  runs: readonly {
    /** Until the first step of the run ends. */
    readonly first: number;
    readonly bytes: number;
    readonly estimate: number;
  }[];
}

export async function paper({ model, rows = ROWS, steps, only }: BenchOptions): Promise<BenchResult> {
  const folder = inRepository(`out/bench/paper/${rows}`);
  mkdirSync(folder, { recursive: true });
  const corpus = await prepareCorpus(folder, rows);
  const about = await machine();
  const found: Costs[] = [];
  if (only !== undefined && !PAPER_MODELS.includes(only))
    throw new UserError(`--only: found "${only}"; expected ${PAPER_MODELS.join(' or ')}`);
  for (const name of PAPER_MODELS.filter((one) => only === undefined || one === only)) {
    const rehearsal = await rehearse(name, model, folder, corpus, { rows, steps });
    const costs = costsOf(rehearsal, defaultThreads());
    found.push(costs);
    const line = { ...costs, date: new Date().toISOString().slice(0, 10), machine: about };
    if (!isKnown(costs)) appendFileSync(LINES, `${JSON.stringify(line)}\n`);
  }
  return {
    title: `recipes/paper.json on ${formatNumber(rows)} clips of ${corpus.meanSeconds.toFixed(1)} s, its first steps, and all ${formatNumber(optimizer.steps)} from them`,
    rows: [
      { measure: 'prepare covost', ours: `${seconds(corpus.manifestSeconds)}, ${mb(corpus.manifestBytes)}` },
      ...found.flatMap(rowsOf),
    ],
    goals: found.flatMap(goalsOf),
    notes: [
      `${corpus.recordings} recordings, each under many names: the cache knows them by content and encodes them once`,
      `whole run: ${formatNumber(optimizer.steps)} steps, their clips encoded once, ${optimizer.steps / dev.every} evaluations of ${dev.clips} clips`,
      'more threads: as if they shared the work evenly, which they do not quite',
    ],
    raw: found,
  };
}

const mb = (bytes: number): string => `${formatNumber(bytes / 1e6, 0)} MB`;
const hours = (value: number): string =>
  value < 1 ? `${formatNumber(60 * value, 0)} min` : `${formatNumber(value, 1)} h`;

interface Corpus {
  readonly manifest: string;
  readonly recordings: number;
  readonly meanSeconds: number;
  /** Samples of each recording at 16 kHz. */
  readonly samples: readonly number[];
  readonly manifestSeconds: number;
  readonly manifestBytes: number;
}

/** Writes the corpus as it is downloaded, and its manifest. */
async function prepareCorpus(folder: string, rows: number): Promise<Corpus> {
  const recordings = await sentences('en');
  const file = join(folder, 'corpus.json');
  if (!existsSync(file)) {
    rmSync(join(folder, 'clips'), { recursive: true, force: true });
    await writeCovost(folder, recordings, rows);
    const manifest = join(folder, 'en-zh.tsv');
    const args = ['prepare', 'covost', join(folder, 'covost_v2.en_zh-CN.tsv')];
    const where = ['--clips', join(folder, 'clips'), '--sentences', join(folder, 'validated.tsv')];
    const cost = await measuredProcess([...args, ...where, '--output', manifest], { scratch: folder });
    const total = recordings.reduce((sum, { duration }) => sum + duration, 0);
    const corpus: Corpus = {
      manifest,
      recordings: recordings.length,
      meanSeconds: total / recordings.length,
      samples: recordings.map(({ duration }) => Math.round(16_000 * duration)),
      manifestSeconds: cost.seconds,
      manifestBytes: cost.bytes,
    };
    writeFileSync(file, JSON.stringify(corpus));
  }
  return JSON.parse(readFileSync(file, 'utf8')) as Corpus;
}

/**
 * Links as Common Voice names its recordings, and the two tables. A recording gets texts of Tatoeba about as long as what is
 * said in it, so that batches have the lengths of real ones.
 */
async function writeCovost(folder: string, recordings: readonly Clip[], rows: number): Promise<void> {
  const texts = readFileSync(inRepository('samples/texts/tatoeba-en-zh.tsv'), 'utf8')
    .trimEnd()
    .split('\n')
    .slice(1)
    .map((line) => line.split('\t') as [string, string])
    .sort(([a], [b]) => a.length - b.length);
  const places = recordings.map(({ text, translations }) => {
    const length = (text || translations.en!).length;
    const place = texts.findIndex(([english]) => english.length >= length);
    return place < 0 ? texts.length - 1 : place;
  });
  const total = rows + dev.clips;
  const progress = startProgress('linking recordings', total);
  mkdirSync(join(folder, 'clips'), { recursive: true });
  const numbers = Array.from({ length: total }, (_, i) => i);
  const nameOf = (i: number): string => `common_voice_en_${i}.mp3`;
  const textOf = (i: number): [string, string] => {
    const near = ((61 * Math.floor(i / recordings.length)) % (2 * NEAR)) - NEAR;
    return texts[Math.min(Math.max(0, places[i % places.length]! + near), texts.length - 1)]!;
  };
  for (const i of numbers) {
    linkSync(recordings[i % recordings.length]!.audio, join(folder, 'clips', nameOf(i)));
    progress.update(i + 1);
  }
  progress.done();
  const write = (name: string, head: string, row: (i: number) => string): void => {
    const file = join(folder, name);
    writeFileSync(file, `${head}\n`);
    for (const piece of inPieces(numbers, (i) => `${row(i)}\n`)) appendFileSync(file, piece);
  };
  write('covost_v2.en_zh-CN.tsv', 'path\ttranslation\tsplit', (i) =>
    [nameOf(i), textOf(i)[1], i < rows ? 'train' : 'dev'].join('\t'),
  );
  write(
    'validated.tsv',
    'client_id\tpath\tsentence\tup_votes\tdown_votes\tage\tgender\taccent',
    (i) => `${i % 1000}\t${nameOf(i)}\t${textOf(i)[0]}\t2\t0\t\t\t`,
  );
}

interface Rehearsal {
  readonly name: string;
  readonly rows: number;
  readonly corpus: Corpus;
  /** Of the model. */
  readonly width: number;
  readonly state: Required<Pick<State, 'encoder' | 'runs'>> & Pick<State, 'evaluation'>;
  readonly steps: readonly Step[];
  /** Bytes of a checkpoint. */
  readonly checkpoint: number;
}

/** Makes what is not there yet of a model's rehearsal. */
async function rehearse(
  name: string,
  base: string,
  folder: string,
  corpus: Corpus,
  { rows, steps }: { readonly rows: number; readonly steps: number },
): Promise<Rehearsal> {
  const own = join(folder, name);
  mkdirSync(own, { recursive: true });
  const model = name === 'base' ? base : join(own, 'model');
  if (!existsSync(join(model, 'config.json'))) await writeTinyModel(model, SMALL, 1, base);
  const config = JSON.parse(readFileSync(join(model, 'config.json'), 'utf8'));
  const kept = join(own, 'state.json');
  const state: State = existsSync(kept) ? JSON.parse(readFileSync(kept, 'utf8')) : { runs: [] };
  const save = () => writeFileSync(kept, JSON.stringify(state));
  const cache = ['--cache', join(own, 'cache'), '--cache-limit', CACHE_LIMIT];
  state.encoder ??= await encodeBatches(own, corpus, ['--model', model, ...cache]);
  save();

  const output = join(own, 'out');
  const checkpoints = join(output, 'checkpoints');
  const before = newestStep(checkpoints);
  if (before === undefined || stepsIn(output).length < steps) {
    const recipe = [inRepository('recipes/paper.json'), '--model', model, '--output', output, ...cache];
    const corpora = ['--data.corpora', JSON.stringify([{ manifest: corpus.manifest, set: 'train' }])];
    const resume = before === undefined ? [] : ['--resume'];
    state.runs = [...state.runs, await trainUntil(steps, [...recipe, ...corpora, ...resume], own)];
    save();
  }
  // Random weights never end a text.
  if (name === 'base') {
    state.evaluation ??= await evaluated(own, corpus, rows, [
      '--model',
      model,
      '--cache',
      join(own, 'cache'),
    ]);
    save();
  }
  const { encoder, runs, evaluation } = state;
  return {
    ...{ name, rows, corpus },
    width: dimensionsFromConfig(config, 'config.json').width,
    state: { encoder, runs, evaluation },
    steps: stepsIn(output),
    checkpoint: folderBytes(newestStep(checkpoints)!),
  };
}

function stepsIn(output: string): Step[] {
  const file = join(output, 'metrics.jsonl');
  if (!existsSync(file)) return [];
  const lines = readFileSync(file, 'utf8').split('\n').filter(Boolean);
  return lines.map((line) => JSON.parse(line) as Step).filter(({ loss }) => loss !== undefined);
}

const mean = (values: readonly number[]): number => values.reduce((sum, v) => sum + v, 0) / values.length;

/** The line of the results file: times in seconds, memory and disk in GB, and hours of the whole run. */
function costsOf({ name, rows, corpus, width, state, steps, checkpoint }: Rehearsal, threads: number) {
  const { encoder, runs, evaluation } = state;
  const times = steps.map((step) => step.seconds).sort((a, b) => a - b);
  const losses = steps.map(({ loss }) => loss!);
  const third = Math.ceil(losses.length / 3);
  const clips = mean(steps.map((step) => step.clips));
  const diskOf = (dtype: 'float16' | 'int8'): number => {
    const bytes = corpus.samples.map(
      (samples) => 2 * HEADER_BYTES + encodedBytes(windowFrames(samples, 'fit'), width, dtype),
    );
    return rounded((rows * mean(bytes)) / 1e9, 1);
  };
  return {
    ...{ model: name, rows, steps: steps.length, seed: 1, threads },
    clip_s: rounded(corpus.meanSeconds, 2),
    manifest: { seconds: rounded(corpus.manifestSeconds, 1), mb: Math.round(corpus.manifestBytes / 1e6) },
    first_step_s: rounded(runs[0]!.first, 1),
    step_s: {
      median: rounded(median(times), 2),
      p95: rounded(times[Math.ceil(0.95 * times.length) - 1]!, 2),
      mean: rounded(mean(times), 2),
    },
    clips_a_step: rounded(clips, 1),
    padding: {
      frames: rounded(mean(steps.map(({ framePadding }) => framePadding)), 3),
      tokens: rounded(mean(steps.map(({ tokenPadding }) => tokenPadding)), 3),
    },
    encoder: {
      clip_s: rounded(encoder.clip, 4),
      different_clips: encoder.clips,
      known_clip_s: rounded(encoder.known, 5),
    },
    ...(evaluation !== undefined && { dev_clip_s: rounded(evaluation, 3) }),
    memory_gb: {
      peak: rounded(Math.max(...runs.map(({ bytes }) => bytes)) / 1e9, 2),
      estimate: Math.max(...runs.map((run) => run.estimate)),
    },
    cache_gb: { float16: diskOf('float16'), int8: diskOf('int8') },
    checkpoint_gb: rounded(checkpoint / 1e9, 2),
    loss: {
      first_third: rounded(mean(losses.slice(0, third)), 4),
      last_third: rounded(mean(losses.slice(-third)), 4),
      finite: losses.every(Number.isFinite),
    },
    whole_h: {
      encoding: rounded((optimizer.steps * clips * encoder.clip) / 3600, 2),
      steps: rounded((optimizer.steps * mean(times)) / 3600, 2),
      ...(evaluation !== undefined && {
        evaluations: rounded(((optimizer.steps / dev.every) * dev.clips * evaluation) / 3600, 2),
      }),
    },
  };
}

type Costs = ReturnType<typeof costsOf>;

/** Whether there is a line of that model after so many steps. */
function isKnown({ model, rows, steps }: Costs): boolean {
  const lines = existsSync(LINES) ? readFileSync(LINES, 'utf8').split('\n').filter(Boolean) : [];
  return lines
    .map((line) => JSON.parse(line) as Costs)
    .some((line) => line.model === model && line.rows === rows && line.steps === steps);
}

function rowsOf(costs: Costs): Row[] {
  const { model, step_s, encoder, dev_clip_s, memory_gb, cache_gb, loss, whole_h, threads } = costs;
  const row = (measure: string, ours: string) => ({ measure: `${model}: ${measure}`, ours });
  const total = whole_h.encoding + whole_h.steps + (whole_h.evaluations ?? 0);
  return [
    row('time to the first step', seconds(costs.first_step_s)),
    row(`a step, ${costs.steps} of them`, `${seconds(step_s.median)} (median), ${seconds(step_s.p95)} (p95)`),
    row('encoder, a clip', `${seconds(encoder.clip_s)}, of ${encoder.different_clips} different ones`),
    ...(dev_clip_s === undefined ? [] : [row('translation of a dev clip', seconds(dev_clip_s))]),
    row('peak memory', `${memory_gb.peak} GB; told before: ${memory_gb.estimate} GB`),
    row('cache of all clips', `${cache_gb.float16} GB float16, ${cache_gb.int8} GB int8`),
    row('a checkpoint', `${costs.checkpoint_gb} GB`),
    row('loss', `${loss.first_third} → ${loss.last_third} (first and last third)`),
    row(
      `whole run, ${threads} of these threads`,
      `${hours(total)}: ${Object.entries(whole_h)
        .map(([part, value]) => `${part} ${hours(value!)}`)
        .join(', ')}`,
    ),
    ...[2, 16].map((more) => row(`whole run, ${more} threads`, hours((total * threads) / more))),
  ];
}

function goalsOf({ model, steps, memory_gb: { peak, estimate }, loss }: Costs): Goal[] {
  const fits = peak <= (1 + MAX_EXCESS) * estimate;
  const falls = loss.finite && loss.last_third < loss.first_third;
  return [
    {
      goal: `${model}: memory is at most ${100 * MAX_EXCESS} % above what train tells before it starts`,
      found: `${formatNumber(100 * (peak / estimate - 1), 0)} %`,
      reached: fits,
      farMissed: !fits,
    },
    {
      goal: `${model}: each loss is finite, and over at least ${LEAST_STEPS} steps they fall`,
      found: `${loss.first_third} → ${loss.last_third}, ${steps} steps`,
      reached: steps < LEAST_STEPS && loss.finite ? undefined : falls,
      farMissed: steps < LEAST_STEPS ? !loss.finite : !falls,
    },
  ];
}

const rounded = (value: number, digits: number): number => Number(value.toFixed(digits));

/** Encodes the clips of a hundred batches twice: the second time the cache has them. */
async function encodeBatches(
  own: string,
  corpus: Corpus,
  flags: readonly string[],
): Promise<NonNullable<State['encoder']>> {
  const lines = readFileSync(corpus.manifest, 'utf8').split('\n');
  const some = join(own, 'batches.tsv');
  const count = Math.min(BATCHES * optimizer.batchSize, lines.length - 2);
  writeAt(some, lines.slice(0, 1 + count), corpus);
  const encode = async (): Promise<number> => {
    let said = '';
    await measuredProcess(['encode', some, ...flags, '--json'], {
      scratch: own,
      onOutput: (text) => {
        said += text;
      },
    });
    return (JSON.parse(said) as { seconds: number }).seconds;
  };
  const cold = await encode();
  const warm = await encode();
  const clips = Math.min(count, corpus.recordings);
  return { clip: (cold - warm) / clips, known: warm / count, clips };
}

/** A part of the manifest beside others: paths in it are relative to its folder. */
function writeAt(file: string, lines: readonly string[], corpus: Corpus): void {
  const folder = join(corpus.manifest, '..');
  writeFileSync(file, `${lines.map((line, i) => (i === 0 ? line : absolute(line, folder))).join('\n')}\n`);
}

const absolute = (line: string, folder: string): string =>
  line.replace(/^[^\t]+/, (path) => (path.startsWith('/') ? path : join(folder, path)));

/** The training as the recipe has it, stopped by Ctrl-C after a step. */
async function trainUntil(
  last: number,
  args: readonly string[],
  scratch: string,
): Promise<State['runs'][number]> {
  let told = '';
  let lines = '';
  let steps = 0;
  const cost = await measuredProcess(['train', ...args, '--json'], {
    scratch,
    onError: (text) => {
      if (steps === 0) told += text;
    },
    onOutput: (text, stop) => {
      lines += text;
      const whole = lines.split('\n');
      lines = whole.pop()!;
      for (const line of whole) {
        const { step, loss } = JSON.parse(line) as Step;
        if (loss === undefined) continue;
        steps++;
        if (process.stderr.isTTY || step % 10 === 0)
          process.stderr.write(`step ${step}: loss ${loss.toFixed(4)}\n`);
        // The step that has begun is the last.
        if (step >= last - 1) stop();
      }
    },
  });
  const estimate = /^memory: about ([\d.]+) GB/m.exec(told);
  if (!estimate)
    throw new Error(`train: found no line on memory; expected it before the first step: ${told.slice(-500)}`);
  return { first: cost.first, bytes: cost.bytes, estimate: Number(estimate[1]) };
}

/** Seconds of a dev clip through evaluate, its encoder outputs in the cache. */
async function evaluated(
  own: string,
  corpus: Corpus,
  rows: number,
  flags: readonly string[],
): Promise<number> {
  const lines = readFileSync(corpus.manifest, 'utf8').split('\n');
  const some = join(own, 'dev.tsv');
  writeAt(some, [lines[0]!, ...lines.slice(1 + rows, 1 + rows + EVALUATED)], corpus);
  const output = join(own, 'evaluated');
  const cost = await measuredProcess(
    ['evaluate', some, ...flags, '--to', 'zh', '--samples', '10', '--output', output],
    { scratch: own },
  );
  return cost.seconds / EVALUATED;
}

/** Folder of the last checkpoint. */
function newestStep(checkpoints: string): string | undefined {
  const names = existsSync(checkpoints) ? readdirSync(checkpoints) : [];
  const last = names
    .filter((one) => one.startsWith('step-'))
    .sort()
    .at(-1);
  return last === undefined ? undefined : join(checkpoints, last);
}

const folderBytes = (folder: string): number =>
  readdirSync(folder).reduce((sum, name) => sum + statSync(join(folder, name)).size, 0);
