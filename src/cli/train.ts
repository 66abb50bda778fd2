/** `whisper-transfer train`: fine-tunes the decoder on the clips of a manifest. */
import { Command, Option } from 'commander';
import { startProgress } from '../report/progress.ts';
import type { Example } from '../training/batches.ts';
import { translationExamples } from '../training/examples.ts';
import { saveModel } from '../training/save.ts';
import { defaultTraining, trainDecoder } from '../training/train.ts';
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
  embedding: 'frozen' | 'dense';
  dtype: 'float16' | 'float32';
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
      new Option('--embedding <kind>', 'token embedding').choices(['frozen', 'dense']).default('frozen'),
    )
    .addOption(
      new Option('--dtype <type>', 'of the written weights')
        .choices(['float16', 'float32'])
        .default('float16'),
    )
    .option('--json', 'print one JSON object for each step, and the summary')
    .addHelpText(
      'after',
      '\nExample:\n  $ whisper-transfer train samples/manifest.tsv --set train --language en --steps 200 --output out/en-zh',
    )
    .action(train);
}

async function train(manifest: string, options: Options): Promise<void> {
  const clips = await selectClips(manifest, options);
  await withModel(WhisperModel.load(options.model), async (model) => {
    const kind = options.promptKind ?? 'target-transcribe';
    const pairs = await encodedClips(model, clips, options);
    const examples = translationExamples(model, pairs, (language) =>
      promptOf(model.tokens, kind, options.target, language),
    );
    const vocabulary = await trainedVocabulary(model, options.targetVocabulary, examples);

    // Ctrl-C ends the training after the current step; what was learnt is saved. A second one ends at once.
    let interrupted = false;
    process.once('SIGINT', () => {
      interrupted = true;
    });
    const progress = startProgress('training', options.steps);
    const started = performance.now();
    const reports = await trainDecoder(model, examples, {
      ...defaultTraining,
      steps: options.steps,
      batchSize: Math.min(options.batchSize, examples.length),
      learningRate: options.learningRate,
      warmupSteps: Math.min(options.warmup, options.steps),
      seed: options.seed,
      embedding: options.embedding,
      vocabulary,
      onStep: (report) => {
        const rate = (report.tokens / report.seconds).toFixed(0);
        progress.update(report.step, `loss ${report.loss.toFixed(3)}  ${rate} tokens/s`);
        if (options.json) console.log(JSON.stringify(report));
        return !interrupted;
      },
    });
    progress.done();
    await saveModel(model, options.output, {
      prompt: { target: options.target, kind },
      vocabulary,
      dtype: options.dtype,
    });
    const last = reports.slice(-10);
    const summary = {
      model: options.output,
      examples: examples.length,
      steps: reports.length,
      loss: last.reduce((sum, { loss }) => sum + loss, 0) / last.length,
      seconds: (performance.now() - started) / 1000,
    };
    if (options.json) console.log(JSON.stringify(summary));
    else {
      console.log(
        `${options.output}: ${summary.steps} steps on ${summary.examples} clips in ${summary.seconds.toFixed(0)} s, ` +
          `loss ${summary.loss.toFixed(3)} (mean of the last ${last.length} steps)`,
      );
    }
  });
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
