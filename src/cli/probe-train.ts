/** `whisper-transfer probe train` */
import { type Command, InvalidArgumentError, Option } from 'commander';
import { formatTable } from '../report/table-formats.ts';
import { HEADS, type HeadKind } from '../studies/probes/head.ts';
import type { ProbeScores } from '../studies/probes/measure.ts';
import { defaultProbe } from '../studies/probes/probe.ts';
import { confoundingText, intervalText, layerName } from '../studies/probes/report-html.ts';
import type { ProbeResults } from '../studies/probes/run.ts';
import type { WindowMode } from '../whisper/encoded-clip.ts';
import {
  modelOption,
  nameList,
  positiveInteger,
  positiveNumber,
  threadsOption,
  windowOption,
} from './options.ts';
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

export const PROBE_EXAMPLE =
  '\nExample:\n  $ whisper-transfer probe train samples/manifest.tsv --label lang --train-set intro --test-set new --only en,fr \\\n      --each-layer --output out/probe-lang';

export function probeTrainCommand(command: Command): Command {
  return command
    .description(
      'train a classifier of the labels in a column of the manifest on some of its clips, and test it on the others',
    )
    .argument('<manifest>', 'TSV, CSV or JSONL manifest')
    .requiredOption(
      '--label <column>',
      'column of the labels: lang, key, or one of your own, such as emotion, intent or speaker',
    )
    .requiredOption('--output <dir>', 'folder for the probe, its results and report')
    .addOption(modelOption())
    .addOption(threadsOption())
    .option('--only <labels>', 'use only clips with these labels, such as a,b,c', nameList)
    .option('--train-set <sets>', 'train on these sets of the manifest, such as a,b', nameList)
    .option('--test-set <sets>', 'test on these sets', nameList)
    .option('--test-share <share>', 'without --test-set: test on this share of each label', share, 0.2)
    .option(
      '--group <column>',
      'without --test-set: never split clips with the same value in this column, such as speaker or key',
    )
    .addOption(
      new Option(
        '--head <kind>',
        'pooling of frames. linear: their mean; attention: their mean by trained weights',
      )
        .choices(HEADS)
        .default(defaultProbe.head),
    )
    .option('--each-layer', 'also train a probe on each layer alone')
    .option('--steps <n>', 'training steps', positiveInteger, defaultProbe.steps)
    .option('--batch-size <n>', 'clips per step', positiveInteger, defaultProbe.batchSize)
    .option(
      '--learning-rate <rate>',
      'learning rate of the first step; decays to 0',
      positiveNumber,
      defaultProbe.learningRate,
    )
    .option(
      '--seed <n>',
      'seed of the split, the batches and the initial weights',
      positiveInteger,
      defaultProbe.seed,
    )
    .addOption(windowOption())
    .option('--cache <dir>', 'folder where features are kept between runs', 'out/cache')
    .addHelpText('after', PROBE_EXAMPLE)
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
    `${labels.length} labels, ${learnt.reduce((a, b) => a + b, 0)} training clips, ${test.clips} test clips`,
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
