/** Tests a trained probe on the clips of a manifest, clean and under noise and reverberation, and writes the results. */
import { abortable } from '../../abort.ts';
import { SoundFolder } from '../../audio/augment/sound-folder.ts';
import type { Clip } from '../../data/clip.ts';
import { UserError } from '../../errors.ts';
import { lockFolder } from '../../files/lock.ts';
import { writeFiles } from '../../files/write-whole.ts';
import type { WorkOptions } from '../../report/progress.ts';
import { formatTable } from '../../report/table-formats.ts';
import { WhisperModel } from '../../whisper/model.ts';
import { withModel } from '../../whisper/with-model.ts';
import { columnOf } from './labels.ts';
import { type ProbeScores, scoreProbe } from './measure.ts';
import { confusionFiles, formatPredictions } from './outputs.ts';
import { Classifier } from './probe.ts';
import { type ProbeSettings, readProbe } from './probe-file.ts';
import { conditionName, intervalText, robustnessReport } from './report-html.ts';
import type { Condition } from './robustness.ts';
import { clipFeatures, type Robustness, testRobustness } from './run.ts';
import { clipsWithLabel, ofSets } from './select.ts';

export interface TestProbeOptions extends WorkOptions {
  readonly manifest: string;
  /** Only these sets of it. Default: all. */
  readonly sets?: readonly string[] | undefined;
  readonly model: string;
  /** Folder of the probe. */
  readonly probe: string;
  /** Signal-to-noise ratios in decibels, and RT60 of synthetic rooms in seconds. */
  readonly snr: readonly number[];
  readonly reverberation: readonly number[];
  /** Folders of recordings: of noise (default: white noise), and of impulse responses (default: none). */
  readonly noise?: string | undefined;
  readonly impulses?: string | undefined;
  readonly seed: number;
  readonly cache: string;
  /** Folder for the results and their report. */
  readonly output: string;
}

export interface ProbeTest {
  /** Scores on the clean clips. */
  readonly clean: ProbeScores;
  /** Scores in each of the conditions. */
  readonly robustness: readonly Robustness[];
}

export function testProbe(options: TestProbeOptions): Promise<ProbeTest> {
  return abortable(options.signal, () => lockFolder(options.output, () => test(options), options));
}

async function test(options: TestProbeOptions): Promise<ProbeTest> {
  const { manifest, cache, output, seed, onProgress, onSkip, signal } = options;
  const { probe, head } = await readProbe(options.probe);
  if (options.reverberation.some((seconds) => seconds <= 0))
    throw new UserError('--reverberation: expected seconds above 0');
  const clips = await labelledClips(options, probe);
  const noise = await soundFolder(options.noise, 'noise');
  const impulses = await soundFolder(options.impulses, 'impulse responses');
  return withModel(WhisperModel.load(options.model), async (model) => {
    if ((await model.encoderFingerprint()) !== probe.encoder)
      throw new UserError(
        `${options.probe}: found a probe of another encoder; expected --model as it was trained with`,
      );
    const pooling = probe.head === 'attention' ? 'frames' : 'mean';
    const kind = { pooling, window: probe.window } as const;
    const usable = await clipFeatures(model, clips, kind, cache, { onProgress, onSkip, signal });
    if (usable.length === 0)
      throw new UserError(`${manifest}: found no recording that can be read; expected some`);
    const classifier = await Classifier.create(model.runtime, head);
    const predicted = await classifier.classify(usable.map(({ features }) => features));
    await classifier.close();
    const truth = usable.map(({ label }) => label);
    const clean = scoreProbe(probe.labels, truth, predicted);
    const robustness = await testRobustness(model, kind, head, probe.labels, usable, conditions(options), {
      ...{ seed, noise, impulses, onProgress, signal },
    });
    const predictions = usable.map(({ clip, label }, i) => ({
      ...{ audio: clip.audio, truth: probe.labels[label]!, answer: probe.labels[predicted[i]!]! },
    }));
    await writeFiles(output, {
      'results.json': `${JSON.stringify({ label: probe.label, labels: probe.labels, clean, robustness }, null, 2)}\n`,
      'predictions.tsv': formatPredictions(predictions),
      'robustness.csv': robustnessTable({ clean, robustness }, 'csv'),
      'report.html': robustnessReport(probe.label, probe.labels, clean, robustness),
      ...confusionFiles(probe.labels, clean),
    });
    return { clean, robustness };
  });
}

const conditions = ({ snr, reverberation, impulses }: TestProbeOptions): Condition[] => [
  ...snr.map((strength) => ({ kind: 'noise', strength }) as const),
  ...reverberation.map((strength) => ({ kind: 'reverberation', strength }) as const),
  ...(impulses ? [{ kind: 'reverberation', strength: undefined } as const] : []),
];

async function labelledClips(
  { manifest, sets }: TestProbeOptions,
  probe: ProbeSettings,
): Promise<{ clip: Clip; label: number }[]> {
  const { clips: all } = await clipsWithLabel(manifest, { label: probe.label });
  const chosen = sets ? ofSets(manifest, all, sets) : all;
  const clips = chosen.flatMap((clip) => {
    const label = probe.labels.indexOf(columnOf(clip, probe.label));
    return label < 0 ? [] : [{ clip, label }];
  });
  if (clips.length === 0)
    throw new UserError(
      `${manifest}: found no clip with one of the probe's labels; expected ${probe.labels.join(', ')}`,
    );
  return clips;
}

const soundFolder = async (folder: string | undefined, what: string): Promise<SoundFolder | undefined> =>
  folder === undefined ? undefined : SoundFolder.open(folder, what);

export function robustnessTable({ clean, robustness }: ProbeTest, format: 'csv' | 'terminal'): string {
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
