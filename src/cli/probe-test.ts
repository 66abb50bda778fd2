/** `whisper-transfer probe test` */
import { type Command, InvalidArgumentError } from 'commander';
import { SoundFolder } from '../audio/augment/sound-folder.ts';
import { UserError } from '../errors.ts';
import { formatTable } from '../report/table-formats.ts';
import { columnOf } from '../studies/probes/labels.ts';
import { type Measured, measure } from '../studies/probes/measure.ts';
import { Classifier } from '../studies/probes/probe.ts';
import { readProbe } from '../studies/probes/probe-file.ts';
import { conditionName, intervalText, robustnessReport } from '../studies/probes/report-html.ts';
import type { Condition } from '../studies/probes/robustness.ts';
import { clipFeatures, type Robustness, testRobustness } from '../studies/probes/run.ts';
import { clipsWithLabel, ofSets } from '../studies/probes/select.ts';
import { WhisperModel } from '../whisper/model.ts';
import { withModel } from '../whisper/with-model.ts';
import { modelOption, positiveInteger } from './options.ts';
import { confusionFiles, formatPredictions, nameList, writeOutputs } from './probe-outputs.ts';

const numbers = (value: string): number[] =>
  nameList(value).map((item) => {
    const number = Number(item);
    if (!Number.isFinite(number)) throw new InvalidArgumentError('Expected numbers, separated by commas.');
    return number;
  });

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

export function probeTestCommand(command: Command): Command {
  return command
    .description('ask a trained probe about clips, as they are and under noise and reverberation')
    .argument('<manifest>', 'TSV or JSONL manifest with the column that the probe was trained on')
    .requiredOption('--probe <dir>', 'what "probe train --output" wrote')
    .requiredOption('--output <dir>', 'where results and report are written')
    .addOption(modelOption())
    .option('--set <sets>', 'use only these sets of the manifest (a,b)', nameList)
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
    const kind = { pooling, window: probe.window } as const;
    const heard = await clipFeatures(model, clips, kind, options.cache);
    if (heard.length === 0)
      throw new UserError(`${manifest}: found no recording that can be read; expected some`);
    const classifier = await Classifier.create(model.runtime, head);
    const answers = await classifier.classify(heard.map(({ features }) => features));
    await classifier.close();
    const truth = heard.map(({ label }) => label);
    const clean = measure(probe.labels, truth, answers);
    const robustness = await testRobustness(model, kind, head, probe.labels, heard, conditions, {
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
