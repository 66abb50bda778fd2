/** `whisper-transfer speaker`: speaker embeddings from the encoder, and their verification. */
import { type Command, InvalidArgumentError } from 'commander';
import { checkWritable, writeWhole } from '../files/write-whole.ts';
import type { ScoredTurns } from '../metrics/score-turns.ts';
import { formatTable } from '../report/table-formats.ts';
import { defaultSpeaker } from '../studies/speaker/train.ts';
import { stoppedAt } from './interrupt.ts';
import { modelOption, positiveInteger, positiveNumber, threadsOption } from './options.ts';
import { showWork } from './show-work.ts';

const TRAIN_EXAMPLE =
  '\nExample:\n  $ whisper-transfer speaker train samples/manifest.tsv --label voice --set new --frozen --epochs 20 \\\n      --learning-rate 0.001 --output out/speaker';

export function speakerCommand(command: Command): Command {
  trainCommand(command.command('train'));
  embedCommand(command.command('embed'));
  verifyCommand(command.command('verify'));
  scoreCommand(command.command('score'));
  return command.addHelpText('after', TRAIN_EXAMPLE);
}

interface TrainOptions {
  model: string;
  label: string;
  set?: string;
  output: string;
  frozen?: boolean;
  epochs: number;
  batchSize: number;
  learningRate: number;
  seconds: number;
  seed: number;
  resume?: boolean;
}

function trainCommand(command: Command): Command {
  return command
    .description(
      'train speaker embeddings, encoder and perceptron together: batch-hard triplet loss, and contrastive losses with ' +
        'noisy and time-stretched copies',
    )
    .argument('<manifest>', 'TSV, CSV or JSONL manifest')
    .requiredOption('--label <column>', 'column that names the speaker')
    .requiredOption('--output <dir>', 'folder for the speaker model')
    .addOption(modelOption())
    .addOption(threadsOption())
    .option('--set <name>', 'train on this set of the manifest')
    .option('--frozen', 'train only the perceptron, with the encoder frozen: much faster')
    .option('--epochs <n>', 'passes over the clips, approximately', positiveInteger, defaultSpeaker.epochs)
    .option(
      '--batch-size <n>',
      'clips per step, four of each speaker',
      positiveInteger,
      defaultSpeaker.batchSize,
    )
    .option('--learning-rate <rate>', 'learning rate of Adam', positiveNumber, defaultSpeaker.learningRate)
    .option(
      '--seconds <s>',
      'length in seconds that longer clips are cut to',
      positiveNumber,
      defaultSpeaker.seconds,
    )
    .option(
      '--seed <n>',
      'seed of batches, cuts, noise and initial weights',
      positiveInteger,
      defaultSpeaker.seed,
    )
    .option('--resume', 'resume from the newest complete checkpoint in --output')
    .addHelpText('after', TRAIN_EXAMPLE)
    .action(train);
}

async function train(manifest: string, options: TrainOptions): Promise<void> {
  const { trainSpeakerModel } = await import('../studies/speaker/train-model.ts');
  const work = showWork('--resume continues');
  let at: string | undefined;
  const preparing = new AbortController();
  work.signal.addEventListener('abort', () => {
    if (at === undefined) preparing.abort(work.signal.reason);
  });
  const losses = await trainSpeakerModel({
    ...options,
    ...work,
    signal: preparing.signal,
    manifest,
    frozen: Boolean(options.frozen),
    resume: Boolean(options.resume),
    onStep: (step) => {
      at = `step ${step}`;
      return work.signal.aborted ? 'stop' : undefined;
    },
  });
  work.end();
  if (!losses) throw stoppedAt(work.signal, `stopped at ${at}; --resume continues`);
  console.log(
    `${losses.length} steps: loss ${losses[0]!.toFixed(3)} at first, ${losses.at(-1)!.toFixed(3)} at last`,
  );
}

interface EmbedOptions {
  model: string;
  speaker?: string;
  output: string;
}

const speakerOption = [
  '--speaker <dir>',
  'folder that "speaker train" wrote; default: the mean encoder frame as embedding',
] as const;

function embedCommand(command: Command): Command {
  return command
    .description('write an embedding of each recording as JSON lines')
    .argument('<manifest>', 'TSV, CSV or JSONL manifest')
    .requiredOption('--output <file>', 'file of JSON lines to write, each with audio and embedding')
    .addOption(modelOption())
    .addOption(threadsOption())
    .option(...speakerOption)
    .addHelpText(
      'after',
      '\nExample:\n  $ whisper-transfer speaker embed samples/manifest.tsv --speaker out/speaker --output out/voices.jsonl',
    )
    .action(async (manifest: string, { output, ...options }: EmbedOptions) => {
      await checkWritable(output);
      const { embedManifest } = await import('../studies/speaker/recordings.ts');
      const found = await embedManifest(manifest, { ...options, ...showWork() });
      const lines = found.map(({ audio, embedding }) =>
        JSON.stringify({ audio, embedding: Array.from(embedding) }),
      );
      await writeWhole(output, `${lines.join('\n')}\n`);
      console.log(`${found.length} embeddings of ${found[0]!.embedding.length} numbers: ${output}`);
    });
}

interface VerifyOptions {
  model: string;
  label: string;
  set?: string;
  speaker?: string;
  output: string;
}

function verifyCommand(command: Command): Command {
  return command
    .description(
      'compare all pairs of recordings by cosine: equal error rate, detection cost, ROC area, DET plot',
    )
    .argument('<manifest>', 'TSV, CSV or JSONL manifest')
    .requiredOption('--label <column>', 'column that names the speaker')
    .requiredOption('--output <dir>', 'folder for results, scores and the DET plot')
    .addOption(modelOption())
    .addOption(threadsOption())
    .option('--set <name>', 'use only this set of the manifest')
    .option(...speakerOption)
    .addHelpText(
      'after',
      '\nExample:\n  $ whisper-transfer speaker verify samples/manifest.tsv --label voice --set intro --speaker out/speaker --output out/verify',
    )
    .action(verify);
}

async function verify(manifest: string, options: VerifyOptions): Promise<void> {
  const { verifySpeakers } = await import('../studies/speaker/verify.ts');
  const found = await verifySpeakers({ ...options, ...showWork(), manifest });
  console.log(
    `${found.speakers} speakers, ${found.clips} clips, ${found.pairs} pairs (${found.pairsOfOne} of one speaker)\n` +
      `EER ${(100 * found.eer).toFixed(1)} %, minDCF (prior ${found.prior}) ${found.minDcf.toFixed(3)}, AUC ${found.auc.toFixed(3)}`,
  );
}

interface ScoreOptions {
  collar: number;
  skipOverlap?: boolean;
  json?: boolean;
}

function scoreCommand(command: Command): Command {
  return command
    .description(
      'compare who speaks when, such as "transcribe --speakers --format rttm" writes it, with a reference: diarization error rate',
    )
    .argument('<reference>', 'RTTM file of who really speaks')
    .argument('<hypothesis>', 'RTTM file to score')
    .option(
      '--collar <seconds>',
      'leave out this much time around each edge of a reference turn, half before and half after',
      collar,
      0,
    )
    .option('--skip-overlap', 'leave out where several speakers of the reference speak at once')
    .option('--json', 'print one JSON object')
    .addHelpText(
      'after',
      '\nValues equal those of pyannote.metrics.' +
        '\n\nExample:\n  $ whisper-transfer speaker score reference.rttm talk.rttm --collar 0.5',
    )
    .action(score);
}

function collar(value: string): number {
  const seconds = Number(value);
  if (value.trim() !== '' && seconds >= 0 && Number.isFinite(seconds)) return seconds;
  throw new InvalidArgumentError('Expected seconds from 0, such as 0.5.');
}

async function score(
  reference: string,
  hypothesis: string,
  { json, ...options }: ScoreOptions,
): Promise<void> {
  const { scoreTurns } = await import('../metrics/score-turns.ts');
  const { recordings, all, interval } = await scoreTurns(reference, hypothesis, options);
  if (json) {
    console.log(JSON.stringify({ ...all, interval, ...options, recordings: Object.fromEntries(recordings) }));
    return;
  }
  const rows = [...recordings].map(([name, scores]) => ({ name, ...scores }));
  if (rows.length > 1) rows.push({ name: 'all', ...all });
  type Row = ScoredTurns & { readonly name: string };
  const share = (value: (row: Row) => number) => (row: Row) =>
    row.total > 0 ? (100 * (value(row) / row.total)).toFixed(1) : '';
  process.stdout.write(
    formatTable(
      rows,
      [
        { heading: 'recording', value: ({ name }) => name },
        { heading: 'speech, s', value: ({ total }) => total.toFixed(1), align: 'right' },
        { heading: 'speakers', value: ({ speakers }) => speakers.reference, align: 'right' },
        { heading: 'found', value: ({ speakers }) => speakers.hypothesis, align: 'right' },
        { heading: 'missed, %', value: share(({ missed }) => missed), align: 'right' },
        { heading: 'false alarm, %', value: share(({ falseAlarm }) => falseAlarm), align: 'right' },
        { heading: 'confusion, %', value: share(({ confusion }) => confusion), align: 'right' },
        { heading: 'DER, %', value: ({ rate }) => (100 * rate).toFixed(1), align: 'right' },
      ],
      'terminal',
    ),
  );
  if (interval)
    console.log(
      `95 % interval of ${rows.length - 1} recordings: ${(100 * interval.low).toFixed(1)}–${(100 * interval.high).toFixed(1)} %`,
    );
}
