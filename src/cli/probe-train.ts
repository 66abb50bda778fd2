/** `whisper-transfer probe train` */
import { type Command, InvalidArgumentError, Option } from 'commander';
import { formatTable } from '../report/table-formats.ts';
import { HEADS, type HeadKind } from '../studies/probes/head.ts';
import type { ProbeScores } from '../studies/probes/measure.ts';
import { defaultProbe } from '../studies/probes/probe.ts';
import { confoundingText, intervalText, layerName } from '../studies/probes/report-html.ts';
import type { ProbeResults } from '../studies/probes/run.ts';
import type { WindowMode } from '../whisper/encoded-clip.ts';
import { modelOption, nameList, positiveInteger, positiveNumber, windowOption } from './options.ts';
import { showWork } from './show-work.ts';

function share(value: string): number {
  const number = Number(value);
  if (!(number > 0 && number < 1)) throw new InvalidArgumentError('Expected a number between 0 and 1.');
  return number;
}

interface TrainOptions {
  model: string;
  label: string;
  output: string;
  only?: string[];
  trainSet?: string[];
  testSet?: string[];
  testShare: number;
  group?: string;
  head: HeadKind;
  eachLayer?: boolean;
  steps: number;
  batchSize: number;
  learningRate: number;
  seed: number;
  window: WindowMode;
  cache: string;
}

export function probeTrainCommand(command: Command): Command {
  return command
    .description(
      'learn the labels in a column of a manifest from some of its clips, and ask about the others',
    )
    .argument('<manifest>', 'TSV or JSONL manifest')
    .requiredOption(
      '--label <column>',
      'column of the labels: lang, key, or one of your own (emotion, intent, speaker)',
    )
    .requiredOption('--output <dir>', 'where probe, results and report are written')
    .addOption(modelOption())
    .option('--only <labels>', 'use only clips with these labels (a,b,c)', nameList)
    .option('--train-set <sets>', 'learn from these sets of the manifest (a,b)', nameList)
    .option('--test-set <sets>', 'ask about these sets', nameList)
    .option('--test-share <share>', 'without --test-set: ask about this share of each label', share, 0.2)
    .option(
      '--group <column>',
      'without --test-set: clips with the same value here stay on one side (speaker, key)',
    )
    .addOption(
      new Option(
        '--head <kind>',
        'linear: on the mean frame; attention: on frames weighted by a learnt attention',
      )
        .choices(HEADS)
        .default(defaultProbe.head),
    )
    .option('--each-layer', 'also train a probe of each layer alone')
    .option('--steps <n>', 'training steps', positiveInteger, defaultProbe.steps)
    .option('--batch-size <n>', 'clips a step', positiveInteger, defaultProbe.batchSize)
    .option(
      '--learning-rate <rate>',
      'at the first step; falls to 0',
      positiveNumber,
      defaultProbe.learningRate,
    )
    .option('--seed <n>', 'of split, batches and first weights', positiveInteger, defaultProbe.seed)
    .addOption(windowOption())
    .option('--cache <dir>', 'where features are kept between runs', 'out/cache')
    .addHelpText(
      'after',
      '\nExample:\n  $ whisper-transfer probe train samples/manifest.tsv --label lang --train-set intro --test-set new --only en,fr \\\n      --each-layer --output out/probe-lang',
    )
    .action(train);
}

async function train(manifest: string, options: TrainOptions): Promise<void> {
  const { trainManifestProbe } = await import('../studies/probes/train-probe.ts');
  const { model, output, window, cache, head, steps, batchSize, learningRate, seed, ...labels } = options;
  const results = await trainManifestProbe({
    ...showWork(),
    ...{ manifest, model, output, window, cache },
    labels: { ...labels, seed, trainSets: options.trainSet, testSets: options.testSet },
    training: { ...defaultProbe, head, steps, batchSize, learningRate, seed },
    eachLayer: Boolean(options.eachLayer),
  });
  printTrained(results);
}

function printTrained(results: ProbeResults): void {
  const { test, learnt, labels, layerAccuracy } = results;
  console.log(
    `${labels.length} labels, ${learnt.reduce((a, b) => a + b, 0)} clips learnt from, ${test.clips} asked about`,
  );
  console.log(`${measuredText(test)}; the commonest label: ${(100 * test.majority).toFixed(1)} %`);
  process.stdout.write(
    formatTable(
      results.layerShares.map((value, layer) => ({ layer, value })),
      [
        { heading: 'layer', value: ({ layer }) => layerName(layer) },
        { heading: 'share, %', value: ({ value }) => (100 * value).toFixed(1), align: 'right' },
        ...(layerAccuracy
          ? [
              {
                heading: 'alone, accuracy, %',
                value: ({ layer }: { layer: number }) => (100 * layerAccuracy[layer]!).toFixed(1),
                align: 'right' as const,
              },
            ]
          : []),
      ],
      'terminal',
    ),
  );
  const text = confoundingText(results);
  if (text) console.log(text);
}

const measuredText = (test: ProbeScores): string =>
  `accuracy ${(100 * test.accuracy).toFixed(1)} % (95 % interval ${intervalText(test)}), macro-F1 ${(100 * test.macroF1).toFixed(1)} %`;
