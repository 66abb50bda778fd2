/** Trains a probe of the labels in a manifest's column on some of its clips, tests it on others, writes the results. */
import { abortable } from '../../abort.ts';
import { lockFolder } from '../../files/lock.ts';
import { writeFiles } from '../../files/write-whole.ts';
import type { WorkOptions } from '../../report/progress.ts';
import type { WindowMode } from '../../whisper/encoded-clip.ts';
import { WhisperModel } from '../../whisper/model.ts';
import { withModel } from '../../whisper/with-model.ts';
import { confusionFiles, formatPredictions } from './outputs.ts';
import type { ProbeOptions } from './probe.ts';
import { writeProbe } from './probe-file.ts';
import { probeReport } from './report-html.ts';
import { type ProbeResults, runProbe } from './run.ts';
import { type SelectOptions, selectLabelled } from './select.ts';

export interface TrainProbeOptions extends WorkOptions {
  readonly manifest: string;
  readonly model: string;
  /** Clips, their label column, and the split into training and test. */
  readonly labels: SelectOptions;
  readonly training: ProbeOptions;
  /** Also train a probe of each layer alone. */
  readonly eachLayer: boolean;
  readonly window: WindowMode;
  readonly cache: string;
  /** Folder for the probe, its results and its report. */
  readonly output: string;
}

export function trainManifestProbe(options: TrainProbeOptions): Promise<ProbeResults> {
  return abortable(options.signal, () => lockFolder(options.output, () => train(options), options));
}

async function train({
  manifest,
  model: directory,
  labels,
  training,
  eachLayer,
  window,
  cache,
  output,
  ...events
}: TrainProbeOptions): Promise<ProbeResults> {
  const { label } = labels;
  const labelled = await selectLabelled(manifest, labels);
  if (labelled.skipped > 0) events.onSkip?.(`${labelled.skipped} clips without a label of the training set`);
  return withModel(WhisperModel.load(directory), async (model) => {
    const run = await runProbe(model, labelled, { label, window, training, cache, eachLayer, ...events });
    const encoder = await model.encoderFingerprint();
    const { layers, width } = run.head.shape;
    await writeProbe(
      output,
      { label, labels: [...labelled.labels], head: training.head, layers, width, window, encoder },
      run.head,
    );
    const { predictions, ...results } = run.results;
    await writeFiles(output, {
      'results.json': `${JSON.stringify({ ...results, training }, null, 2)}\n`,
      'predictions.tsv': formatPredictions(predictions),
      'report.html': probeReport(run.results),
      ...confusionFiles(results.labels, results.test),
    });
    return run.results;
  });
}
