/** `whisper-transfer train`: fine-tunes a model as a recipe says. */
import { availableParallelism } from 'node:os';
import { resolve } from 'node:path';
import type { Command } from 'commander';
import { embeddedModel } from '../checkpoint/embedded.ts';
import type { Clip } from '../data/clip.ts';
import { UserError } from '../errors.ts';
import { modelFolders } from '../evaluation/models.ts';
import { languageProfile } from '../language/profile.ts';
import type { RunSettings } from '../training/checkpoints.ts';
import { quantizeFrozen } from '../training/quantization.ts';
import type { Recipe } from '../training/recipe.ts';
import { type RecipeClips, recipeClips, type TrainingData, trainingData } from '../training/recipe-data.ts';
import { type Layer, parseRecipe, readLayers } from '../training/recipe-file.ts';
import { recipeJsonSchema } from '../training/recipe-keys.ts';
import { checkObjective, recipeObjective } from '../training/recipe-objective.ts';
import { fileSettings, recipeText, weightSettings } from '../training/recipe-settings.ts';
import { prepareOutput, runTraining } from '../training/run.ts';
import { saveModel } from '../training/save.ts';
import type { TrainingOptions } from '../training/train.ts';
import { type Tuning, tunedWeights } from '../training/tuned-weights.ts';
import { WhisperModel } from '../whisper/model.ts';
import { promptOf } from '../whisper/prompts.ts';
import { withModel } from '../whisper/with-model.ts';
import { addRecipeFlags, flagLayer, flagOf, recipeHelp } from './recipe-flags.ts';
import { showWork } from './show-work.ts';
import { announce, printSummary, watchRun } from './train-report.ts';

interface Options extends Record<string, unknown> {
  resume?: boolean;
  json?: boolean;
  jsonSchema?: boolean;
}

export function trainCommand(command: Command): Command {
  command
    .argument(
      '[recipe]',
      'a recipe (.json), or a manifest (.tsv, .jsonl) of speech with texts in the language of --to',
    )
    .option('--resume', 'go on from the newest whole checkpoint in the output')
    .option('--json', 'print one JSON object for each step and evaluation, and the summary')
    .option('--json-schema', 'print the JSON Schema of recipes, and do nothing else');
  return addRecipeFlags(command)
    .addHelpText('after', `\n${recipeHelp()}`)
    .addHelpText(
      'after',
      '\nExamples:\n  $ whisper-transfer train recipes/laptop.json\n' +
        '  $ whisper-transfer train recipes/laptop.json --steps 1000 --output out/longer\n' +
        '  $ whisper-transfer train samples/manifest.tsv --set train --from en --to zh --output out/en-zh',
    )
    .action(train);
}

async function train(source: string | undefined, options: Options): Promise<void> {
  if (options.jsonSchema) {
    console.log(JSON.stringify(recipeJsonSchema, null, 2));
    return;
  }
  const given = await recipeOf(source, options);
  const directory = given.model ?? embeddedModel;
  if (resolve(given.output) === resolve(directory)) {
    throw new UserError(`--output ${given.output}: is the model that is trained; expected another folder`);
  }
  const clips = spokenIn(given.tune.experts?.languages[0], await recipeClips(given));
  const [target, ...others] = clips.targets;
  // The kept recipe says what was trained, whether or not the given one did.
  const recipe = others.length > 0 ? given : { ...given, target: given.target ?? target };
  const [folder] = await modelFolders([directory]);
  const files = await fileSettings(recipe);
  const resume = Boolean(options.resume);
  const json = Boolean(options.json);
  const { decoderLayers } = recipe.tune;
  const work = showWork();
  const languageToken = recipe.targetToken && {
    ...recipe.targetToken,
    language: languageProfile(target!).base,
  };
  await withModel(WhisperModel.load(directory, { decoderLayers, languageToken }), async (model) => {
    const tuning = tuningOf(recipe);
    // What does not fit the model is found before anything long begins, and nothing is left behind.
    tunedWeights(model.dimensions, tuning);
    for (const { language, target } of [...clips.training, ...clips.dev])
      promptOf(model.tokens, recipe.prompt, target, language);
    await checkObjective(model, recipe, clips.training);
    await prepareOutput(recipe.output, resume);
    await quantizeFrozen(model, tuning);
    const data = await trainingData(model, recipe, clips, work);
    const { examples, development, vocabulary } = data;
    const objective = await recipeObjective(model, recipe, examples, work);
    const training = { ...trainingOptions(recipe, tuning, data), objective };
    const settings: RunSettings = {
      model: folder!.fingerprint,
      threads: availableParallelism(),
      ...weightSettings(recipe),
      ...files,
      ...data.fingerprints,
    };
    // The compiled encoder is not needed any more: the silence after the clips is the last that it makes.
    await model.silenceTailsFor(examples.map(({ clip }) => clip));
    await model.releaseEncoder();
    await announce(model, data, training);

    const started = performance.now();
    const { done, ...watched } = watchRun(training.steps, json);
    const result = await runTraining(model, examples, {
      output: recipe.output,
      recipe: recipeText(recipe),
      settings,
      training,
      checkpointEvery: recipe.checkpointEvery,
      resume,
      development,
      keep: recipe.dev?.keep ?? 'last',
      ...watched,
      save: (directory) =>
        saveModel(model, directory, {
          prompt: { target: target!, targets: clips.targets, kind: recipe.prompt },
          vocabulary,
          dtype: recipe.dtype,
        }),
    });
    done();
    const seconds = (performance.now() - started) / 1000;
    printSummary(result, { output: recipe.output, examples: examples.length, seconds }, json);
  });
}

/** A recipe's file, or a manifest as a recipe with nothing but a corpus; flags over it. */
async function recipeOf(source: string | undefined, options: Options): Promise<Recipe> {
  if (source === undefined) {
    throw new UserError('found no recipe; expected a recipe (.json) or a manifest (.tsv, .jsonl)');
  }
  const layers: Layer[] = source.endsWith('.json')
    ? await readLayers(source)
    : [{ values: { data: { corpora: [{ manifest: source }] } }, label: flagOf }];
  return parseRecipe([...layers, flagLayer(options, layers)]);
}

/** Experts learn from clips of their language only. */
function spokenIn(language: string | undefined, { training, dev, targets }: RecipeClips): RecipeClips {
  if (language === undefined) return { training, dev, targets };
  const own = <C extends Clip>(clips: readonly C[]): C[] =>
    clips.filter((clip) => clip.language === language);
  const clips = { training: own(training), dev: own(dev), targets };
  const has = [...new Set(training.map((clip) => clip.language))].join(', ');
  if (clips.training.length === 0)
    throw new UserError(`experts of "${language}": no clip of the corpora is in it; they have ${has}`);
  if (clips.dev.length === 0 && dev.length > 0)
    throw new UserError(`experts of "${language}": no clip of the dev set is in it`);
  return clips;
}

function tuningOf({
  tune: { part, embedding, lora, quantization, experts },
  objective,
  targetToken,
}: Recipe): Tuning {
  return {
    part,
    embedding,
    ...(lora && { lora: { ...lora, alpha: lora.alpha ?? 2 * lora.rank } }),
    ...(quantization && { quantization: { bits: 8 } }),
    ...(targetToken?.mean && { languageRow: true }),
    ...(experts && {
      experts: {
        language: experts.languages[0]!,
        gateWidth: experts.gateWidth,
        budgetWeight: 1 - (objective.distillation?.weight ?? 0),
      },
    }),
  };
}

function trainingOptions(
  { data: { corpora, temperature = 1, maxPadding }, optimizer }: Recipe,
  tuning: Tuning,
  { examples, vocabulary }: TrainingData,
): TrainingOptions {
  const { steps, accumulate, recompute, learningRate, weightDecay, clipNorm, seed } = optimizer;
  return {
    ...tuning,
    steps,
    batchSize: Math.min(optimizer.batchSize, examples.length),
    accumulate,
    recompute,
    maxPadding,
    mixture: { weights: corpora.map(({ weight = 1 }) => weight), temperature },
    learningRate,
    warmupSteps: Math.min(optimizer.warmup, steps),
    weightDecay,
    clipNorm,
    seed,
    vocabulary,
  };
}
