/** `whisper-transfer speaker`: who speaks? Embeddings from the encoder, and how well they verify. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Command } from 'commander';
import { readAudio } from '../audio/audio-file.ts';
import type { Clip } from '../data/clip.ts';
import { readManifest } from '../data/manifest.ts';
import { UserError } from '../errors.ts';
import { detPlot } from '../report/det-plot.ts';
import { type Progress, startProgress } from '../report/progress.ts';
import { svgFile } from '../report/svg.ts';
import { columnOf } from '../studies/probes/labels.ts';
import { clipsWithLabel, ofSets } from '../studies/probes/select.ts';
import { embedClips } from '../studies/speaker/embedder.ts';
import { runSpeakerTraining } from '../studies/speaker/run.ts';
import { loadSpeaker, prepareSpeakerFolder } from '../studies/speaker/speaker-file.ts';
import { defaultSpeaker, speakerSteps } from '../studies/speaker/train.ts';
import {
  areaUnderRoc,
  equalErrorRate,
  minimumDetectionCost,
  operatingPoints,
} from '../studies/speaker/verification.ts';
import { prepareCheckpoints } from '../training/checkpoints.ts';
import { WhisperModel } from '../whisper/model.ts';
import { withModel } from '../whisper/with-model.ts';
import { interruption, modelOption, positiveInteger, positiveNumber } from './options.ts';

/** The prior of one speaker in the detection cost: NIST's. */
const PRIOR = 0.01;

export function speakerCommand(command: Command): Command {
  trainCommand(command.command('train'));
  embedCommand(command.command('embed'));
  verifyCommand(command.command('verify'));
  return command;
}

interface Heard {
  readonly clip: Clip;
  readonly samples: Float32Array;
}

/** Recordings that cannot be read are named on standard error and left out. */
async function heard(clips: readonly Clip[]): Promise<Heard[]> {
  const found: Heard[] = [];
  for (const clip of clips) {
    try {
      found.push({ clip, samples: await readAudio(clip.audio) });
    } catch (error) {
      process.stderr.write(`left out: ${(error as Error).message}\n`);
    }
  }
  if (found.length === 0) throw new UserError('found no recording that can be read; expected some');
  return found;
}

async function labelled(manifest: string, { label, set }: { label: string; set?: string }): Promise<Clip[]> {
  const { clips } = await clipsWithLabel(manifest, { label });
  return set === undefined ? clips : ofSets(manifest, clips, [set]);
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
  const clips = (await heard(await labelled(manifest, options))).map(({ clip, samples }) => ({
    samples,
    speaker: columnOf(clip, options.label),
  }));
  await prepareCheckpoints(options.output, Boolean(options.resume));
  await withModel(WhisperModel.load(options.model), async (model) => {
    const steps = speakerSteps(clips, options);
    const interrupted = interruption();
    let progress: Progress | undefined;
    const losses = await runSpeakerTraining(model, clips, {
      ...options,
      frozen: Boolean(options.frozen),
      resume: Boolean(options.resume),
      note: (line) => process.stderr.write(`note: ${line}\n`),
      onStart: (step) => {
        progress = startProgress('training', steps, { from: step });
      },
      onStep: (step, loss) => {
        progress?.update(step, `loss ${loss.toFixed(3)}`);
        return interrupted() ? 'stop' : undefined;
      },
    });
    progress?.done();
    if (!losses) {
      console.log(`stopped; --resume goes on with ${options.output}`);
      return;
    }
    await writeFile(join(options.output, 'losses.json'), `${JSON.stringify(losses)}\n`);
    console.log(
      `${losses.length} steps: loss ${losses[0]!.toFixed(3)} at first, ${losses.at(-1)!.toFixed(3)} at last`,
    );
  });
}

interface EmbedOptions {
  model: string;
  speaker?: string;
  output: string;
}

const speakerOption = [
  '--speaker <dir>',
  'what "speaker train" wrote; without, the encoder’s mean frame as it is',
] as const;

async function embedded(model: WhisperModel, clips: readonly Heard[], speaker: string | undefined) {
  if (speaker !== undefined) await loadSpeaker(speaker, model);
  const progress = startProgress('embedding', clips.length);
  const samples = clips.map((one) => one.samples);
  const vectors = await embedClips(model, samples, speaker !== undefined, (done) => progress.update(done));
  progress.done();
  return vectors;
}

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
    .action(async (manifest: string, options: EmbedOptions) => {
      const clips = await heard(await readManifest(manifest));
      await withModel(WhisperModel.load(options.model), async (model) => {
        const vectors = await embedded(model, clips, options.speaker);
        const lines = clips.map(({ clip }, i) =>
          JSON.stringify({ audio: clip.audio, embedding: Array.from(vectors[i]!) }),
        );
        await write(options.output, `${lines.join('\n')}\n`);
        console.log(`${clips.length} embeddings of ${vectors[0]!.length} numbers: ${options.output}`);
      });
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
  const clips = await heard(await labelled(manifest, options));
  const speakers = clips.map(({ clip }) => columnOf(clip, options.label));
  await prepareSpeakerFolder(options.output);
  await withModel(WhisperModel.load(options.model), async (model) => {
    const vectors = await embedded(model, clips, options.speaker);
    const pairs = vectors.flatMap((a, i) =>
      vectors.slice(i + 1).map((b, k) => {
        const j = i + 1 + k;
        return { i, j, score: cosine(a, b), same: speakers[i] === speakers[j] };
      }),
    );
    const same = pairs.map((pair) => pair.same);
    const points = operatingPoints(
      pairs.map(({ score }) => score),
      same,
    );
    const results = {
      speakers: new Set(speakers).size,
      clips: clips.length,
      pairs: pairs.length,
      pairsOfOne: same.filter(Boolean).length,
      eer: equalErrorRate(points),
      minDcf: minimumDetectionCost(points, PRIOR),
      auc: areaUnderRoc(points),
    };
    const rows = pairs.map(({ i, j, score, same: one }) =>
      [clips[i]!.clip.audio, clips[j]!.clip.audio, Number(one), score.toFixed(6)].join('\t'),
    );
    const file = (name: string) => join(options.output, name);
    await write(file('results.json'), `${JSON.stringify({ ...results, prior: PRIOR }, null, 2)}\n`);
    await write(file('scores.tsv'), `a\tb\tsame\tscore\n${rows.join('\n')}\n`);
    await write(file('det.svg'), svgFile(detPlot('DET curve', points)));
    console.log(
      `${results.speakers} speakers, ${results.clips} clips, ${results.pairs} pairs (${results.pairsOfOne} of one speaker)\n` +
        `EER ${(100 * results.eer).toFixed(1)} %, minDCF (prior ${PRIOR}) ${results.minDcf.toFixed(3)}, AUC ${results.auc.toFixed(3)}`,
    );
  });
}

function cosine(a: Float32Array, b: Float32Array): number {
  const dot = (x: Float32Array, y: Float32Array) => x.reduce((sum, value, i) => sum + value * y[i]!, 0);
  return dot(a, b) / Math.sqrt(dot(a, a) * dot(b, b) || 1);
}

async function write(file: string, text: string): Promise<void> {
  try {
    await writeFile(file, text);
  } catch (error) {
    throw new UserError(`${file}: cannot be written: ${(error as Error).message}`);
  }
}
