/** `whisper-transfer speaker`: who speaks? Embeddings from the encoder, and how well they verify. */
import type { Command } from 'commander';
import { writeWhole } from '../files/write-whole.ts';
import { defaultSpeaker } from '../studies/speaker/train.ts';
import { interruption, modelOption, positiveInteger, positiveNumber } from './options.ts';
import { showWork } from './show-work.ts';

export function speakerCommand(command: Command): Command {
  trainCommand(command.command('train'));
  embedCommand(command.command('embed'));
  verifyCommand(command.command('verify'));
  return command;
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
      'batch-hard triplets, and agreement with noisy and stretched copies; encoder and perceptron together',
    )
    .argument('<manifest>', 'TSV or JSONL manifest')
    .requiredOption('--label <column>', 'column that names the speaker')
    .requiredOption('--output <dir>', 'where the speaker model is written')
    .addOption(modelOption())
    .option('--set <name>', 'learn from this set of the manifest')
    .option('--frozen', 'train the perceptron alone, on the encoder as it is: much quicker')
    .option('--epochs <n>', 'times that each clip is seen, about', positiveInteger, defaultSpeaker.epochs)
    .option(
      '--batch-size <n>',
      'clips a step, four of each speaker',
      positiveInteger,
      defaultSpeaker.batchSize,
    )
    .option('--learning-rate <rate>', 'of Adam', positiveNumber, defaultSpeaker.learningRate)
    .option('--seconds <s>', 'longer clips are cut to so many', positiveNumber, defaultSpeaker.seconds)
    .option('--seed <n>', 'of batches, cuts, noise and first weights', positiveInteger, defaultSpeaker.seed)
    .option('--resume', 'go on from the newest whole checkpoint in the output')
    .addHelpText(
      'after',
      '\nExample:\n  $ whisper-transfer speaker train samples/manifest.tsv --label voice --set new --frozen --epochs 20 \\\n      --learning-rate 0.001 --output out/speaker',
    )
    .action(train);
}

async function train(manifest: string, options: TrainOptions): Promise<void> {
  const { trainSpeakerModel } = await import('../studies/speaker/train-model.ts');
  const interrupted = interruption();
  const work = showWork();
  const losses = await trainSpeakerModel({
    ...options,
    ...work,
    manifest,
    frozen: Boolean(options.frozen),
    resume: Boolean(options.resume),
    onStep: () => (interrupted() ? 'stop' : undefined),
  });
  work.end();
  console.log(
    losses
      ? `${losses.length} steps: loss ${losses[0]!.toFixed(3)} at first, ${losses.at(-1)!.toFixed(3)} at last`
      : `stopped; --resume goes on with ${options.output}`,
  );
}

interface EmbedOptions {
  model: string;
  speaker?: string;
  output: string;
}

const speakerOption = [
  '--speaker <dir>',
  'folder that "speaker train" wrote; default: none, and the mean of the encoder’s frames',
] as const;

function embedCommand(command: Command): Command {
  return command
    .description('write an embedding of each recording as JSON lines')
    .argument('<manifest>', 'TSV or JSONL manifest')
    .requiredOption('--output <file>', 'JSON lines: audio, embedding')
    .addOption(modelOption())
    .option(...speakerOption)
    .addHelpText(
      'after',
      '\nExample:\n  $ whisper-transfer speaker embed samples/manifest.tsv --speaker out/speaker --output out/voices.jsonl',
    )
    .action(async (manifest: string, { output, ...options }: EmbedOptions) => {
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
    .argument('<manifest>', 'TSV or JSONL manifest')
    .requiredOption('--label <column>', 'column that names the speaker')
    .requiredOption('--output <dir>', 'where results, scores and the DET plot are written')
    .addOption(modelOption())
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
