/** `whisper-transfer train`: fine-tunes the decoder on the clips of a manifest. */
import { createHash } from 'node:crypto';
import { totalmem } from 'node:os';
import { dirname, relative, resolve } from 'node:path';
import { Command, Option } from 'commander';
import { UserError } from '../errors.ts';
import { modelFolders } from '../experiments/evaluate-models.ts';
import { formatNumber } from '../report/format.ts';
import { type Progress, startProgress } from '../report/progress.ts';
import { readAudio } from '../speech/audio-file.ts';
import type { Clip } from '../speech/manifest.ts';
import type { Example } from '../training/batches.ts';
import type { RunSettings } from '../training/checkpoints.ts';
import { translationExamples } from '../training/examples.ts';
import { defaultLora, LORA_PROJECTIONS, type LoraProjection } from '../training/lora.ts';
import { memoryMb } from '../training/metrics.ts';
import { memoryNeeds, totalBytes } from '../training/needs.ts';
import { prepareOutput, runTraining } from '../training/run.ts';
import { saveModel } from '../training/save.ts';
import { defaultTraining, type TrainingOptions } from '../training/train.ts';
import { TUNED_PARTS, type TunedPart, type Tuning, tunesEncoder } from '../training/tuned-weights.ts';
import { type MelClip, melClip } from '../whisper/mel-batch.ts';
import { WhisperModel, type Window } from '../whisper/model.ts';
import { type PromptKind, promptOf } from '../whisper/prompts.ts';
import type { TargetVocabulary } from '../whisper/target-vocabulary.ts';
import { targetVocabulary } from './decoding-options.ts';
import { encodedClips, selectClips } from './encoded-clips.ts';
import { modelOption, positiveInteger, positiveNumber, windowOption, withModel } from './options.ts';
import { promptKindOption } from './prompt-options.ts';

interface Options {
  model: string;
  output: string;
  set?: string;
  language?: string;
  target: string;
  promptKind?: PromptKind;
  targetVocabulary?: string | true;
  window: Window;
  cache: string;
  steps: number;
  batchSize: number;
  learningRate: number;
  warmup: number;
  seed: number;
  tune: TunedPart;
  lora?: number | true;
  loraAlpha?: number;
  loraProjections: string;
  embedding: 'frozen' | 'dense';
  dtype: 'float16' | 'float32';
  checkpointEvery: number;
  resume?: boolean;
  devSet?: string;
  devEvery: number;
  devClips: number;
  keep?: 'best' | 'last';
  patience?: number;
  json?: boolean;
}

export function trainCommand(): Command {
  return new Command('train')
    .description(
      'fine-tune the decoder, and only it, on speech with Chinese references; the encoder stays as it is',
    )
    .argument('<manifest>', 'TSV or JSONL manifest with "audio" and "zh" columns')
    .requiredOption('--output <dir>', 'where the trained model is written, in Hugging Face layout')
    .addOption(modelOption())
    .option('--set <name>', 'use only this set of the manifest')
    .option('--language <code>', 'use only clips in this language')
    .option('--target <code>', 'language token of the prompt', 'zh')
    .addOption(promptKindOption())
    .option(
      '--target-vocabulary [text]',
      'choose only among tokens of the references, and of this text file; kept with the model',
    )
    .addOption(windowOption())
    .option('--cache <dir>', 'where encoder outputs are kept between runs', 'out/cache')
    .option('--steps <n>', 'optimizer steps', positiveInteger, 200)
    .option('--batch-size <n>', 'clips in a step', positiveInteger, defaultTraining.batchSize)
    .option(
      '--learning-rate <x>',
      'highest step size; linear warm-up, then linear decay to 0',
      positiveNumber,
      defaultTraining.learningRate,
    )
    .option('--warmup <n>', 'steps of warm-up', positiveInteger, defaultTraining.warmupSteps)
    .option(
      '--seed <n>',
      'order of the clips; the same seed gives the same weights',
      positiveInteger,
      defaultTraining.seed,
    )
    .addOption(
      new Option('--tune <part>', 'what is tuned; encoder and all start from the recordings in every step')
        .choices(TUNED_PARTS)
        .default('decoder'),
    )
    .option(
      '--lora [rank]',
      `tune low-rank adapters of that part instead (${defaultLora.rank})`,
      positiveInteger,
    )
    .option(
      '--lora-alpha <x>',
      'weight of the adapters is alpha / rank; default: twice the rank',
      positiveNumber,
    )
    .option(
      '--lora-projections <names>',
      `which projections have adapters, of ${LORA_PROJECTIONS.join(', ')}`,
      defaultLora.projections.join(','),
    )
    .addOption(
      new Option('--embedding <kind>', 'token embedding').choices(['frozen', 'dense']).default('frozen'),
    )
    .addOption(
      new Option('--dtype <type>', 'of the written weights')
        .choices(['float16', 'float32'])
        .default('float16'),
    )
    .option(
      '--checkpoint-every <steps>',
      'steps between checkpoints in <output>/checkpoints, of which the last two stay; there is one at the end and on Ctrl-C, too',
      positiveInteger,
      100,
    )
    .option('--resume', 'go on from the newest whole checkpoint in <output>')
    .option('--dev-set <name>', 'evaluate on clips of this set of the manifest while training')
    .option(
      '--dev-every <steps>',
      'steps between evaluations; there is one at the end, too',
      positiveInteger,
      100,
    )
    .option('--dev-clips <n>', 'most clips of an evaluation', positiveInteger, 32)
    .addOption(
      new Option(
        '--keep <which>',
        'weights that are saved: of the evaluation with most BLEU, or of the last step; default: best with --dev-set',
      ).choices(['best', 'last']),
    )
    .option(
      '--patience <n>',
      'end when so many evaluations have passed without a better one',
      positiveInteger,
    )
    .option('--json', 'print one JSON object for each step and evaluation, and the summary')
    .addHelpText(
      'after',
      '\nExample:\n  $ whisper-transfer train samples/manifest.tsv --set train --language en --steps 200 --output out/en-zh',
    )
    .action(train);
}

async function train(manifest: string, options: Options): Promise<void> {
  if (options.devSet === undefined && (options.patience !== undefined || options.keep === 'best')) {
    throw new UserError('--patience and --keep best: expected --dev-set <name> with them');
  }
  if (resolve(options.output) === resolve(options.model)) {
    throw new UserError(`--output ${options.output}: is the model that is trained; expected another folder`);
  }
  if (options.devSet !== undefined && options.devSet === options.set) {
    throw new UserError(`--dev-set ${options.devSet}: is trained on; expected another set than --set`);
  }
  const clips = (await selectClips(manifest, options)).filter(({ set }) => set !== options.devSet);
  const devClips =
    options.devSet === undefined ? [] : await selectClips(manifest, { ...options, set: options.devSet });
  const [folder] = await modelFolders([options.model]);
  await prepareOutput(options.output, Boolean(options.resume));
  await withModel(WhisperModel.load(options.model), async (model) => {
    const kind = options.promptKind ?? 'target-transcribe';
    const prompt = (language: string) => promptOf(model.tokens, kind, options.target, language);
    const tuning = tuningOf(options);
    const pairs: { clip: Clip; encoded: Example['clip'] }[] = tunesEncoder(tuning)
      ? await melClips(model, clips, options.window)
      : await encodedClips(model, clips, options);
    const leftOut = new Map<string, number>();
    const examples = translationExamples(model, pairs, prompt, (_, reason) =>
      leftOut.set(reason, (leftOut.get(reason) ?? 0) + 1),
    );
    if (pairs.length < clips.length) leftOut.set('cannot be read', clips.length - pairs.length);
    const devExamples =
      devClips.length > 0
        ? translationExamples(
            model,
            await encodedClips(model, devClips.slice(0, options.devClips), options),
            prompt,
          )
        : [];
    const development = devClips.length > 0 && {
      examples: devExamples,
      encode: tunesEncoder(tuning)
        ? async () =>
            model.encode(
              await Promise.all(devExamples.map(({ source }) => readAudio(source!.audio))),
              options.window,
            )
        : undefined,
      every: options.devEvery,
      target: options.target,
      patience: options.patience,
    };
    const vocabulary = await trainedVocabulary(model, options.targetVocabulary, examples);
    const training = {
      ...defaultTraining,
      steps: options.steps,
      batchSize: Math.min(options.batchSize, examples.length),
      learningRate: options.learningRate,
      warmupSteps: Math.min(options.warmup, options.steps),
      seed: options.seed,
      ...tuning,
      vocabulary,
    };
    const keep = options.keep ?? (development ? 'best' : 'last');
    const settings: RunSettings = {
      model: folder!.fingerprint,
      clips: selectionHash(manifest, examples),
      window: options.window,
      prompt: `${options.target} ${kind}`,
      ...(vocabulary && { vocabulary: hash(vocabulary.words.join()) }),
      steps: training.steps,
      batchSize: training.batchSize,
      learningRate: training.learningRate,
      warmupSteps: training.warmupSteps,
      weightDecay: training.weightDecay,
      clipNorm: training.clipNorm,
      seed: training.seed,
      embedding: training.embedding,
      part: training.part,
      ...(training.lora && { lora: JSON.stringify(training.lora) }),
      keep,
      ...(development && {
        devClips: selectionHash(manifest, development.examples),
        devEvery: options.devEvery,
        ...(options.patience !== undefined && { patience: options.patience }),
      }),
    };
    // The compiled encoder is not needed any more: the silence after the clips is the last that it makes.
    await model.silenceTailsFor(examples.map(({ clip }) => clip));
    await model.releaseEncoder();
    await announce(model, examples, leftOut, training);

    // Ctrl-C ends the training after the current step; what was learnt is saved. A second one ends at once.
    let interrupted = false;
    process.once('SIGINT', () => {
      interrupted = true;
    });
    let progress: Progress | undefined;
    const started = performance.now();
    const { reports, evaluations, saved } = await runTraining(model, examples, {
      output: options.output,
      settings,
      training,
      checkpointEvery: options.checkpointEvery,
      resume: Boolean(options.resume),
      development: development || undefined,
      keep,
      note: (line) => process.stderr.write(`note: ${line}\n`),
      onStart: (step) => {
        progress = startProgress('training', options.steps, { from: step });
      },
      onStep: (report) => {
        const rate = (report.tokens / report.seconds).toFixed(0);
        progress?.update(report.step, `loss ${report.loss.toFixed(3)}  ${rate} tokens/s`);
        if (options.json) console.log(JSON.stringify(report));
        if (report.skipped) {
          process.stderr.write(`note: step ${report.step} skipped: loss or gradient is not finite\n`);
        }
        return interrupted ? 'stop' : undefined;
      },
      onEvaluation: ({ step, loss, bleu, chrf }) => {
        if (options.json) console.log(JSON.stringify({ step, devLoss: loss, devBleu: bleu, devChrf: chrf }));
        else {
          console.log(
            `step ${step}: dev loss ${loss.toFixed(3)}, BLEU ${bleu.toFixed(1)}, chrF ${chrf.toFixed(1)}`,
          );
        }
      },
      save: (directory) =>
        saveModel(model, directory, {
          prompt: { target: options.target, kind },
          vocabulary,
          dtype: options.dtype,
        }),
    });
    progress?.done();
    const last = reports.filter(({ skipped }) => !skipped).slice(-10);
    const skipped = reports.filter((report) => report.skipped).length;
    const summary = {
      model: options.output,
      examples: examples.length,
      steps: reports.length,
      skipped,
      saved,
      loss: last.reduce((sum, { loss }) => sum + loss, 0) / last.length,
      ...(evaluations.length > 0 && { evaluations: evaluations.length }),
      ...memoryMb(),
      seconds: (performance.now() - started) / 1000,
    };
    if (options.json) console.log(JSON.stringify(summary));
    else {
      console.log(
        `${options.output}: ${summary.steps} steps on ${summary.examples} clips in ${summary.seconds.toFixed(0)} s, ` +
          `loss ${summary.loss.toFixed(3)} (mean of the last ${last.length} steps)` +
          `${skipped > 0 ? `, ${skipped} steps skipped` : ''}` +
          `${saved === reports.length ? '' : `; the weights are those of step ${saved}`}`,
      );
    }
  });
}

function tuningOf({ tune, embedding, lora, loraAlpha, loraProjections }: Options): Tuning {
  if (lora === undefined) return { part: tune, embedding };
  const rank = lora === true ? defaultLora.rank : lora;
  const projections = loraProjections.split(',').map((name) => name.trim() as LoraProjection);
  const unknown = projections.find((name) => !LORA_PROJECTIONS.includes(name));
  if (unknown !== undefined) {
    throw new UserError(`--lora-projections ${unknown}: expected some of ${LORA_PROJECTIONS.join(', ')}`);
  }
  return { part: tune, embedding, lora: { rank, alpha: loraAlpha ?? 2 * rank, projections } };
}

/** A clip that cannot be read is named on standard error and left out. */
async function melClips(
  model: WhisperModel,
  clips: readonly Clip[],
  window: Window,
): Promise<{ clip: Clip; encoded: MelClip }[]> {
  const pairs: { clip: Clip; encoded: MelClip }[] = [];
  for (const clip of clips) {
    try {
      const samples = await readAudio(clip.audio);
      pairs.push({ clip, encoded: melClip(samples, model.dimensions.melBins, window) });
    } catch (error) {
      if (!(error instanceof UserError)) throw error;
      process.stderr.write(`left out: ${error.message}\n`);
    }
  }
  if (pairs.length === 0) throw new UserError('no clip can be read');
  return pairs;
}

/** Says what the run will need, on standard error: results on standard output stay clean. */
async function announce(
  model: WhisperModel,
  examples: readonly Example[],
  leftOut: ReadonlyMap<string, number>,
  training: TrainingOptions,
): Promise<void> {
  const needs = await memoryNeeds(model, examples, training);
  const { batch } = needs;
  const gb = (bytes: number): string => formatNumber(bytes / 1e9, 2);
  const total = totalBytes(needs);
  const perEpoch = examples.length / training.batchSize;
  const lines = [
    `memory: about ${gb(total)} GB: weights ${gb(needs.weights)}, gradients and moments ${gb(needs.optimizer)}, ` +
      `activations ${gb(needs.activations)} (${batch.clips} clips × ${batch.frames} frames × ${batch.tokens} tokens), ` +
      `clips ${gb(needs.clips)}, checkpoint ${gb(needs.checkpoint)}, program ${gb(needs.program)}`,
    `data: ${formatNumber(examples.length)} clips, ${formatNumber(Math.ceil(perEpoch))} steps an epoch, ` +
      `${formatNumber(training.steps / perEpoch, 1)} epochs`,
    ...[...leftOut].map(([reason, count]) => `left out: ${formatNumber(count)} clips: ${reason}`),
  ];
  if (total > totalmem()) {
    lines.push(
      `note: this machine has ${gb(totalmem())} GB: expect it to run out; a smaller --batch-size helps`,
    );
  }
  process.stderr.write(`${lines.join('\n')}\n`);
}

/** Which clips, in which order, with which texts and windows. */
function selectionHash(manifest: string, examples: readonly Example[]): string {
  const lines = examples.map(({ source, clip, tokens }) => [
    relative(dirname(manifest), source!.audio),
    clip.window,
    clip.length,
    ...tokens,
  ]);
  return `${examples.length} (${hash(JSON.stringify(lines))})`;
}

function hash(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 12);
}

/** The references' tokens, and those of a text file. */
async function trainedVocabulary(
  model: WhisperModel,
  source: string | true | undefined,
  examples: readonly Example[],
): Promise<TargetVocabulary | undefined> {
  if (source === undefined) return undefined;
  const wanted = new Set(source === true ? [] : (await targetVocabulary(model, source))!.words);
  for (const { tokens } of examples) {
    for (const id of tokens) if (id < model.tokens.endOfText) wanted.add(id);
  }
  return {
    source: source === true ? 'training references' : source,
    words: [...wanted].sort((a, b) => a - b),
  };
}
