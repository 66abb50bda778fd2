/** `whisper-transfer probe`: what can be read off the encoder's frozen layers? */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Command, InvalidArgumentError, Option } from 'commander';
import { UserError } from '../errors.ts';
import { HEADS, type HeadKind } from '../probes/head.ts';
import { columnOf } from '../probes/labels.ts';
import { LayerExtractor } from '../probes/layer-features.ts';
import { type Measured, measure } from '../probes/measure.ts';
import { Classifier, defaultProbe } from '../probes/probe.ts';
import { readProbe, writeProbe } from '../probes/probe-file.ts';
import type { Condition } from '../probes/robustness.ts';
import { clipFeatures, type ProbeResults, type Robustness, runProbe, testRobustness } from '../probes/run.ts';
import { clipsWithLabel, ofSets, selectLabelled } from '../probes/select.ts';
import { confusionChart } from '../report/confusion.ts';
import { pageStyle } from '../report/page-style.ts';
import {
  conditionName,
  confoundingText,
  intervalText,
  layerName,
  probeReport,
  robustnessReport,
} from '../report/probe-html.ts';
import { svgFile } from '../report/svg.ts';
import { formatTable } from '../report/table-formats.ts';
import { SoundFolder } from '../speech/augment/sound-folder.ts';
import { WhisperModel, type Window } from '../whisper/model.ts';
import { modelOption, positiveInteger, positiveNumber, windowOption, withModel } from './options.ts';

export function probeCommand(): Command {
  return new Command('probe')
    .description(
      'train a small classifier of any labels on the frozen encoder, and see which layer knows them',
    )
    .addCommand(trainCommand())
    .addCommand(testCommand());
}

const list = (value: string): string[] => {
  const items = value
    .split(',')
    .map((item) => item.trim())
    .filter(Boolean);
  if (items.length === 0) throw new InvalidArgumentError('Expected names, separated by commas.');
  return items;
};

const numbers = (value: string): number[] =>
  list(value).map((item) => {
    const number = Number(item);
    if (!Number.isFinite(number)) throw new InvalidArgumentError('Expected numbers, separated by commas.');
    return number;
  });

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
  window: Window;
  cache: string;
}

function trainCommand(): Command {
  return new Command('train')
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
    .option('--only <labels>', 'use only clips with these labels (a,b,c)', list)
    .option('--train-set <sets>', 'learn from these sets of the manifest (a,b)', list)
    .option('--test-set <sets>', 'ask about these sets', list)
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

interface TestOptions {
  model: string;
  probe: string;
  output: string;
  set?: string[];
  snr: number[];
  noise?: string;
  reverberation: number[];
  impulses?: string;
  seed: number;
  cache: string;
}

function testCommand(): Command {
  return new Command('test')
    .description('ask a trained probe about clips, as they are and under noise and reverberation')
    .argument('<manifest>', 'TSV or JSONL manifest with the column that the probe was trained on')
    .requiredOption('--probe <dir>', 'what "probe train --output" wrote')
    .requiredOption('--output <dir>', 'where results and report are written')
    .addOption(modelOption())
    .option('--set <sets>', 'use only these sets of the manifest (a,b)', list)
    .option('--snr <decibels>', 'add noise at these signal-to-noise ratios (20,10,0)', numbers, [])
    .option('--noise <folder>', 'recordings of noise; without, the noise is white')
    .option(
      '--reverberation <seconds>',
      'reverberate with synthetic rooms of these RT60 (0.3,1)',
      numbers,
      [],
    )
    .option('--impulses <folder>', 'reverberate with these recordings of impulse responses')
    .option('--seed <n>', 'of noise and rooms', positiveInteger, 1)
    .option('--cache <dir>', 'where features are kept between runs', 'out/cache')
    .addHelpText(
      'after',
      '\nExample:\n  $ whisper-transfer probe test samples/manifest.tsv --set new --probe out/probe-lang --snr 20,10,0 --output out/noisy',
    )
    .action(test);
}

async function test(manifest: string, options: TestOptions): Promise<void> {
  const { probe, head } = await readProbe(options.probe);
  if (options.reverberation.some((seconds) => seconds <= 0))
    throw new UserError('--reverberation: expected seconds above 0');
  const conditions: Condition[] = [
    ...options.snr.map((strength) => ({ kind: 'noise', strength }) as const),
    ...options.reverberation.map((strength) => ({ kind: 'reverberation', strength }) as const),
    ...(options.impulses ? [{ kind: 'reverberation', strength: undefined } as const] : []),
  ];
  const { clips: all } = await clipsWithLabel(manifest, probe);
  const chosen = options.set ? ofSets(manifest, all, options.set) : all;
  const clips = chosen.flatMap((clip) => {
    const label = probe.labels.indexOf(columnOf(clip, probe.label));
    return label < 0 ? [] : [{ clip, label }];
  });
  if (clips.length === 0)
    throw new UserError(
      `${manifest}: found no clip with one of the probe's labels; expected ${probe.labels.join(', ')}`,
    );
  const noise = options.noise === undefined ? undefined : await SoundFolder.open(options.noise, 'noise');
  const impulses =
    options.impulses === undefined
      ? undefined
      : await SoundFolder.open(options.impulses, 'impulse responses');
  await withModel(WhisperModel.load(options.model), async (model) => {
    if ((await model.encoderFingerprint()) !== probe.encoder)
      throw new UserError(
        `${options.probe}: found a probe of another encoder; expected --model as it was trained with`,
      );
    const pooling = probe.head === 'attention' ? 'frames' : 'mean';
    const extractor = await LayerExtractor.create(model, pooling, probe.window);
    const heard = await clipFeatures(extractor, clips, options.cache);
    if (heard.length === 0)
      throw new UserError(`${manifest}: found no recording that can be read; expected some`);
    const classifier = await Classifier.create(model.runtime, head);
    const answers = await classifier.classify(heard.map(({ features }) => features));
    await classifier.close();
    const truth = heard.map(({ label }) => label);
    const clean = measure(probe.labels, truth, answers);
    const robustness = await testRobustness(extractor, head, probe.labels, heard, conditions, {
      ...{ seed: options.seed, noise, impulses },
    });
    const predictions = heard.map(({ clip, label }, i) => ({
      ...{ audio: clip.audio, truth: probe.labels[label]!, answer: probe.labels[answers[i]!]! },
    }));
    await writeOutputs(options.output, {
      'results.json': `${JSON.stringify({ label: probe.label, labels: probe.labels, clean, robustness }, null, 2)}\n`,
      'predictions.tsv': formatPredictions(predictions),
      'robustness.csv': robustnessTable(clean, robustness, 'csv'),
      'report.html': robustnessReport(probe.label, probe.labels, clean, robustness),
      ...confusionFiles(probe.labels, clean),
    });
    process.stdout.write(robustnessTable(clean, robustness, 'terminal'));
  });
}

function robustnessTable(
  clean: Measured,
  robustness: readonly Robustness[],
  format: 'csv' | 'terminal',
): string {
  const rows = [
    { name: 'as recorded', test: clean },
    ...robustness.map((one) => ({ name: conditionName(one), test: one.test })),
  ];
  return formatTable(
    rows,
    [
      { heading: 'condition', value: ({ name }) => name },
      { heading: 'clips', value: ({ test }) => test.clips },
      { heading: 'accuracy, %', value: ({ test }) => (100 * test.accuracy).toFixed(1), align: 'right' },
      { heading: '95 % interval', value: ({ test }) => intervalText(test), align: 'right' },
      { heading: 'macro-F1, %', value: ({ test }) => (100 * test.macroF1).toFixed(1), align: 'right' },
      {
        heading: 'commonest label, %',
        value: ({ test }) => (100 * test.majority).toFixed(1),
        align: 'right',
      },
    ],
    format,
  );
}

const measuredText = (test: Measured): string =>
  `accuracy ${(100 * test.accuracy).toFixed(1)} % (95 % interval ${intervalText(test)}), macro-F1 ${(100 * test.macroF1).toFixed(1)} %`;

function formatPredictions(predictions: ProbeResults['predictions']): string {
  const rows = predictions.map(({ audio, truth, answer }) => [audio, truth, answer].join('\t'));
  return `audio\ttruth\tanswer\n${rows.join('\n')}\n`;
}

function confusionFiles(labels: readonly string[], { confusion }: Measured): Record<string, string> {
  const columns = [
    { heading: 'true label', value: ({ i }: { i: number }) => labels[i]! },
    ...labels.map((name, j) => ({ heading: name, value: ({ i }: { i: number }) => confusion[i]![j]! })),
  ];
  return {
    'confusion.csv': formatTable(
      labels.map((_, i) => ({ i })),
      columns,
      'csv',
    ),
    'confusion.svg': svgFile(confusionChart('Confusion matrix', labels, confusion), pageStyle),
  };
}

async function writeOutputs(directory: string, files: Readonly<Record<string, string>>): Promise<void> {
  try {
    await mkdir(directory, { recursive: true });
    for (const [name, text] of Object.entries(files)) await writeFile(join(directory, name), text);
  } catch (error) {
    throw new UserError(`${directory}: cannot be written: ${(error as Error).message}`);
  }
}
