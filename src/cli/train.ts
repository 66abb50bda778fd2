/** `whisper-transfer train`: fine-tunes a model as a recipe says. */
import type { Command } from 'commander';
import { UserError } from '../errors.ts';
import type { WorkOptions } from '../report/progress.ts';
import type { Recipe } from '../training/recipe.ts';
import { parseRecipe } from '../training/recipe-file.ts';
import { recipeJsonSchema } from '../training/recipe-keys.ts';
import { recipeLayers } from '../training/recipe-source.ts';
import { addDatasetOptions } from './dataset-options.ts';
import { stoppedAt } from './interrupt.ts';
import { printNote, threadsOption } from './options.ts';
import { addRecipeFlags, flagLayer, flagOf, recipeHelp } from './recipe-flags.ts';
import { showWork } from './show-work.ts';

interface Options extends Record<string, unknown> {
  resume?: boolean;
  redis?: string;
  json?: boolean;
  jsonSchema?: boolean;
}

export function trainCommand(command: Command): Command {
  command
    .argument(
      '[recipe]',
      'recipe (.json), manifest (.tsv, .csv, .jsonl) of speech with texts in the language of --to, or data set such as google/fleurs',
    )
    .option(
      '--dataset <source>',
      'train on this data set, of the hub or here, in place of the corpora of a recipe',
    )
    .addOption(threadsOption())
    .option('--resume', 'resume from the newest complete checkpoint in --output')
    .option(
      '--redis <url>',
      'have batches of each step computed by workers ("whisper-transfer worker"), too, over this Redis, such as redis://host:6379; needs --accumulate',
    )
    .option('--json', 'print one JSON object for each step and evaluation, and the summary')
    .option('--json-schema', 'print the JSON Schema of recipes and exit');
  return addDatasetOptions(addRecipeFlags(command))
    .addHelpText('after', `\n${recipeHelp()}`)
    .addHelpText(
      'after',
      '\nExamples:\n  $ whisper-transfer train recipes/laptop.json\n' +
        '  $ whisper-transfer train recipes/laptop.json --steps 1000 --output out/longer\n' +
        '  $ whisper-transfer train samples/manifest.tsv --set train --from en --to zh --output out/en-zh\n' +
        '  $ whisper-transfer train --dataset google/fleurs --from en --to de --output out/en-de',
    )
    .action(run);
}

async function run(source: string | undefined, options: Options): Promise<void> {
  if (options.jsonSchema) {
    console.log(JSON.stringify(recipeJsonSchema, null, 2));
    return;
  }
  if (source === undefined && options.dataset === undefined) {
    throw new UserError(
      'found no recipe; expected a recipe (.json), a manifest (.tsv, .csv, .jsonl) or a data set, such as google/fleurs',
    );
  }
  const layers = source === undefined ? [{ values: {}, label: flagOf }] : await recipeLayers(source, flagOf);
  const recipe = parseRecipe([...layers, flagLayer(options, layers)]);
  const { planLines } = await import('../training/plan.ts');
  const { train } = await import('../training/train-recipe.ts');
  const { printEvaluation, printSummary } = await import('./train-report.ts');
  const json = Boolean(options.json);
  const work = showWork('--resume continues');
  // Before the first step Ctrl-C ends the work at once; after it, the training after its current step, with the model saved.
  const preparing = new AbortController();
  let steps = false;
  work.signal.addEventListener('abort', () => {
    if (steps) printNote('stopping after the current step; Ctrl-C again ends at once');
    else preparing.abort(work.signal.reason);
  });
  const preparation = { ...work, signal: preparing.signal };
  const cluster = await trainingCluster(options.redis, recipe, preparation);
  const result = await train(recipe, {
    ...preparation,
    sharing: cluster?.begin,
    resume: Boolean(options.resume),
    onPlan: (plan) => {
      steps = true;
      process.stderr.write(`${planLines(plan).join('\n')}\n`);
    },
    onStep: (report) => {
      if (json) console.log(JSON.stringify(report));
      return work.signal.aborted ? 'stop' : undefined;
    },
    onEvaluation: (evaluation) => printEvaluation(evaluation, json),
  }).finally(() => cluster?.close());
  work.end();
  const total = recipe.optimizer.steps;
  const stopped = work.signal.aborted && result.steps < total;
  if (json || !stopped) printSummary(result, json);
  if (stopped) {
    const line = `stopped at step ${result.steps} of ${total}; --resume continues; ${result.model} has the model of step ${result.saved}`;
    throw stoppedAt(work.signal, line);
  }
}

async function trainingCluster(redis: string | undefined, recipe: Recipe, work: WorkOptions) {
  if (redis === undefined) return undefined;
  const { TrainingCluster } = await import('../cluster/train.ts');
  return TrainingCluster.open(redis, recipe, work);
}
