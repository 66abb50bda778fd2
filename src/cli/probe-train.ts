/** `whisper-transfer probe train` */
import { type Command, InvalidArgumentError, Option } from 'commander';
import { formatTable } from '../report/table-formats.ts';
import { HEADS, type HeadKind } from '../studies/probes/head.ts';
import type { Measured } from '../studies/probes/measure.ts';
import { defaultProbe } from '../studies/probes/probe.ts';
import { writeProbe } from '../studies/probes/probe-file.ts';
import { confoundingText, intervalText, layerName, probeReport } from '../studies/probes/report-html.ts';
import { type ProbeResults, runProbe } from '../studies/probes/run.ts';
import { selectLabelled } from '../studies/probes/select.ts';
import type { WindowMode } from '../whisper/encoded-clip.ts';
import { WhisperModel } from '../whisper/model.ts';
import { withModel } from '../whisper/with-model.ts';
import { modelOption, positiveInteger, positiveNumber, windowOption } from './options.ts';
import { confusionFiles, formatPredictions, nameList, writeOutputs } from './probe-outputs.ts';

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
  const { label, output, window, head, steps, batchSize, learningRate, seed } = options;
  const labelled = await selectLabelled(manifest, {
    label,
    testShare: options.testShare,
    seed,
    ...(options.only && { only: options.only }),
    ...(options.trainSet && { trainSets: options.trainSet }),
    ...(options.testSet && { testSets: options.testSet }),
    ...(options.group !== undefined && { group: options.group }),
  });
  if (labelled.leftOut > 0)
    process.stderr.write(`left out: ${labelled.leftOut} clips without a label that is learnt\n`);
  await withModel(WhisperModel.load(options.model), async (model) => {
    const training = { ...defaultProbe, head, steps, batchSize, learningRate, seed };
    const run = await runProbe(model, labelled, {
      ...{ label, window, training },
      cache: options.cache,
      eachLayer: Boolean(options.eachLayer),
    });
    const encoder = await model.encoderFingerprint();
    const { layers, width } = run.head.shape;
    await writeProbe(
      output,
      { label, labels: [...labelled.labels], head, layers, width, window, encoder },
      run.head,
    );
    const { predictions, ...results } = run.results;
    await writeOutputs(output, {
      'results.json': `${JSON.stringify({ ...results, training }, null, 2)}\n`,
      'predictions.tsv': formatPredictions(predictions),
      'report.html': probeReport(run.results),
      ...confusionFiles(results.labels, results.test),
    });
    printTrained(run.results);
  });
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

const measuredText = (test: Measured): string =>
  `accuracy ${(100 * test.accuracy).toFixed(1)} % (95 % interval ${intervalText(test)}), macro-F1 ${(100 * test.macroF1).toFixed(1)} %`;
