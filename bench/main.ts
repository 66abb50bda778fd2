/**
 * The benches: `npm run bench` lists them, `npm run bench -- NAME` runs one. Their requirements and results are in
 * docs/lab/benchmarks.md.
 */
import { cpus } from 'node:os';
import { Command, InvalidArgumentError, Option } from 'commander';
import { UserError } from '../src/errors.ts';
import { defaultLora } from '../src/training/choices.ts';
import { COMPUTES } from '../src/whisper/compute.ts';
import { attention } from './attention.ts';
import { audioInput } from './audio-input.ts';
import { cacheDtype } from './cache-dtype.ts';
import { cacheIndex } from './cache-index.ts';
import { checkRows } from './check-rows.ts';
import { cluster } from './cluster.ts';
import { compute } from './compute.ts';
import { corpusSize } from './corpus-size.ts';
import { encodeCores } from './encode-cores.ts';
import { languageModel } from './language-model.ts';
import { load } from './load.ts';
import { longAudio } from './long-audio.ts';
import { RECORDINGS } from './long-recordings.ts';
import type { BenchOptions } from './options.ts';
import { PAPER_MODELS, paper } from './paper.ts';
import { parallelTrain } from './parallel-train.ts';
import { parity } from './parity.ts';
import { products, productsTexts } from './products.ts';
import { quantize } from './quantize.ts';
import { type BenchResult, goalsFarMissed, goalsReached, inRepository, report } from './result.ts';
import { retrieval } from './retrieval.ts';
import { retrievalScale } from './retrieval-scale.ts';
import { retrievalSpeech } from './retrieval-speech.ts';
import { serve } from './serve.ts';
import { soak } from './soak.ts';
import { trainCost } from './train-cost.ts';
import { trainStep } from './train-step.ts';
import { trainUsualScript } from './train-usual-script.ts';
import { trainingMemory } from './training-memory.ts';
import { transcribe } from './transcribe.ts';
import { windows } from './windows.ts';

/** Of PyTorch's time for a step: its products are faster on Intel's processors, ours are not. */
const STEP_RATIO = cpus()[0]?.model.includes('AMD') ? 0.7 : 0.9;

const BENCHES: Record<string, { about: string; run: (options: BenchOptions) => Promise<BenchResult> }> = {
  'train-step': {
    about: 'a training step of the decoder, against PyTorch',
    run: (options) => trainStep({ part: 'decoder', embedding: 'trained' }, STEP_RATIO, options),
  },
  'train-step-frozen': {
    about: 'the same with a frozen token embedding',
    run: (options) => trainStep({ part: 'decoder', embedding: 'frozen' }, STEP_RATIO, options),
  },
  'train-lora': {
    about: 'the same of LoRA adapters (rank 32, q_proj and v_proj of the decoder), against PEFT',
    run: (options) => trainStep({ part: 'decoder', embedding: 'frozen', lora: defaultLora }, 1, options),
  },
  'train-all': {
    about: 'the same of all weights, from log-mel through encoder and decoder',
    run: (options) => trainStep({ part: 'all', embedding: 'trained' }, 1, options),
  },
  'train-usual-script': {
    about: 'clips per second of train, against the usual Hugging Face script',
    run: trainUsualScript,
  },
  'train-cost': {
    about: 'the time of a training step over tokens and over frames: a line',
    run: trainCost,
  },
  'parallel-train': {
    about: 'a step of LoRA with a worker beside this process, against one alone (needs redis-server)',
    run: parallelTrain,
  },
  'training-memory': {
    about: 'what train says that it needs, against the peak of its process',
    run: trainingMemory,
  },
  transcribe: {
    about: '24 English sentences from files to text, greedy, fitted windows, against faster-whisper int8',
    run: (options) => transcribe(options, { beams: 1, window: 'fit', largestRatio: 0.2 }),
  },
  'transcribe-beam': {
    about: 'the same with 5 beams',
    run: (options) => transcribe(options, { beams: 5, window: 'fit', largestRatio: 0.25 }),
  },
  'transcribe-full': {
    about: 'the same with 5 beams and full windows',
    run: (options) => transcribe(options, { beams: 5, window: 'full', largestRatio: 0.7 }),
  },
  'long-audio': {
    about:
      'long recordings, sequential and batched, against faster-whisper int8 and whisper.cpp (--only en,greedy; --rounds 1)',
    run: longAudio,
  },
  parity: { about: 'greedy and beam texts against those of transformers', run: parity },
  windows: {
    about: 'accuracy of full and fitted windows, and of silence tails of several sizes',
    run: windows,
  },
  products: {
    about: 'int8 and int4 products against float32: the encoder, a decoding step by rows',
    run: products,
  },
  compute: {
    about:
      'texts in float32, auto and int8, in turns: time, and how many stay (--only one-greedy; --rounds 3)',
    run: compute,
  },
  attention: {
    about: 'the encoder with its attention in one operator, against the operators that are trained',
    run: attention,
  },
  'products-texts': {
    about: 'the texts of int8 products and of float16 against those of float32 (--only float16)',
    run: productsTexts,
  },
  quantize: { about: 'accuracy of int8 weights against float16, and the time until ready', run: quantize },
  load: {
    about:
      'from the start of a process to the first text, model in the cache and not, against faster-whisper',
    run: load,
  },
  retrieval: { about: 'SeqSim of many clips with many, against the bare matrix product', run: retrieval },
  'retrieval-scale': {
    about:
      'clips that do not fit into memory: time, memory, and what a shortlist keeps (--clips 30000 --sources 3000)',
    run: retrievalScale,
  },
  'retrieval-speech': {
    about: 'what a shortlist keeps of recordings in five languages (--clips 1500)',
    run: retrievalSpeech,
  },
  'cache-dtype': {
    about: 'encoder outputs kept as int8, against float16: retrieval, training, size on disk (--clips 100)',
    run: cacheDtype,
  },
  'corpus-size': {
    about:
      '300,000 recordings through encode, train, retrieve, transcribe and evaluate: time of a row, memory (--rows 300000)',
    run: corpusSize,
  },
  'check-rows': {
    about: 'check --no-audio of 300,000 rows: time and memory (--rows)',
    run: checkRows,
  },
  'cache-index': {
    about: 'memory and time of the index of a cache of a million clips (--rows)',
    run: cacheIndex,
  },
  paper: {
    about:
      "the paper's recipe on a corpus of its size: first steps, and what the whole run costs (--steps 100)",
    run: paper,
  },
  serve: {
    about:
      'the server under load, 1 to 64 clients, against faster-whisper behind FastAPI (--soak 60: minutes)',
    run: (options) => (options.soak === undefined ? serve(options) : soak(options, options.soak)),
  },
  'audio-input': {
    about:
      'reading, decoding, resampling and log-mel by format, as seconds of sound for a second of one core',
    run: audioInput,
  },
  'encode-cores': {
    about: 'how busy encode keeps the cores with short clips (--clips 400)',
    run: encodeCores,
  },
  cluster: {
    about: 'encode and translate by two workers, by one process, and by one with two threads (--rounds 3)',
    run: cluster,
  },
  'language-model': { about: 'an n-gram model of 100 MB: reading it, scoring with it', run: languageModel },
};

function positiveInteger(text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1)
    throw new InvalidArgumentError('expected a number of at least 1');
  return value;
}

const list = Object.entries(BENCHES).map(([name, { about }]) => `${name.padEnd(18)} ${about}`);

const program = new Command('npm run bench --')
  .addHelpText('before', `${list.join('\n')}\n`)
  .argument('[name]', 'which one to run; none: this list')
  .option('--model <folder>', 'Whisper base', inRepository('models/whisper-base-int8'))
  .option('--float16 <folder>', 'the same in float16', inRepository('../shared/models/whisper-base'))
  .option(
    '--ctranslate2 <folder>',
    'the same as CTranslate2 has it',
    inRepository('bench/peers/venv/whisper-ct2'),
  )
  .option(
    '--whisper-cpp <file>',
    'the same as whisper.cpp has it',
    inRepository('bench/peers/venv/whisper-q8_0.bin'),
  )
  .option('--recordings <folder>', 'more recordings', inRepository('../shared/data/speech/gcompris'))
  .option('--clips <number>', 'clips on each side of retrieval', positiveInteger, 1000)
  .option(
    '--rows <number>',
    'recordings of the larger corpus of corpus-size (300000), of paper (289430), rows of check-rows (300000), clips of cache-index (1000000)',
    positiveInteger,
  )
  .option('--steps <number>', 'paper: steps of training; goes on where it stopped', positiveInteger, 100)
  .option(
    '--only <what>',
    `paper: one of the models, ${PAPER_MODELS.join(' or ')}; compute: greedy, beams, one-greedy, one-beams, long; long-audio: recordings (${Object.keys(RECORDINGS).join(', ')}), greedy or beams, batched or sequential, ours (no peers), with commas between; attention: times or texts; products-texts: int8 or float16`,
  )
  .addOption(
    new Option('--compute <numbers>', 'long-audio, transcribe, load, serve: what ours computes with')
      .choices(COMPUTES)
      .default('auto'),
  )
  .option('--rounds <number>', 'long-audio, compute, cluster: turns of each side', positiveInteger, 2)
  .option('--sources <number>', 'retrieval-scale: only so many of them search; default: all', positiveInteger)
  .option(
    '--exact <number>',
    'retrieval-scale: so many of these are compared with all frame by frame',
    positiveInteger,
    300,
  )
  .option('--music <file>', "long-audio: music of the recording with music; default: a synthesiser's")
  .option(
    '--seconds <number>',
    'retrieval-scale: end when so many are over, to go on in the next run',
    positiveInteger,
  )
  .option('--soak <minutes>', 'serve: twice the capacity for so long', Number)
  .option('--check', 'end with status 1 where a goal is missed or could not be measured')
  .action(async (name: string | undefined, options: BenchOptions & { check?: boolean }) => {
    if (name === undefined) return program.outputHelp();
    const bench = BENCHES[name];
    if (!bench) return program.error(`no bench "${name}"; there are ${Object.keys(BENCHES).join(', ')}`);
    const result = await bench.run(options).catch((error: unknown) => {
      if (error instanceof UserError) return program.error(error.message);
      throw error;
    });
    report(name, result);
    if (goalsFarMissed(result) || (options.check && !goalsReached(result))) process.exitCode = 1;
  });

await program.parseAsync();
