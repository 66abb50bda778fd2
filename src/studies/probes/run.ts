/** Training and testing of a probe on a manifest's clips. */

import { readAudio } from '../../audio/audio-file.ts';
import type { SoundFolder } from '../../audio/augment/sound-folder.ts';
import type { Clip } from '../../data/clip.ts';
import { UserError } from '../../errors.ts';
import { stageProgress, type WorkOptions } from '../../report/progress.ts';
import type { WindowMode } from '../../whisper/encoded-clip.ts';
import type { WhisperModel } from '../../whisper/model.ts';
import { featureFiles, type LoadFeatures } from './feature-files.ts';
import { LAYER_WEIGHTS, layerShares } from './head.ts';
import { confounded } from './labels.ts';
import { CLIPS_AT_ONCE, type FeatureKind, layerFeatures } from './layer-features.ts';
import { type ProbeScores, scoreProbe } from './measure.ts';
import { Classifier, type Head, type ProbeOptions, trainProbe } from './probe.ts';
import { type Condition, degraded } from './robustness.ts';
import type { Labelled } from './select.ts';

export interface ProbeRun extends WorkOptions {
  readonly label: string;
  readonly window: WindowMode;
  readonly cache: string;
  /** Also train a probe on each layer alone. */
  readonly eachLayer: boolean;
  readonly training: ProbeOptions;
}

export interface ProbeResults {
  readonly label: string;
  readonly labels: readonly string[];
  /** Training clips by label. */
  readonly learnt: readonly number[];
  readonly test: ProbeScores;
  /** Shares of the layers in the sum, from the input of the first to the output of the last. */
  readonly layerShares: readonly number[];
  /** Accuracy of a probe of each layer alone. */
  readonly layerAccuracy?: readonly number[];
  /** Columns of the manifest that determine the label of the training clips. */
  readonly confounded: readonly string[];
  /** Mean loss of the last tenth of the steps. */
  readonly finalLoss: number;
  readonly predictions: readonly {
    readonly audio: string;
    readonly truth: string;
    readonly answer: string;
  }[];
}

/** Features of clips; those that cannot be read are skipped. */
export async function clipFeatures<T extends { readonly clip: Clip }>(
  model: WhisperModel,
  clips: readonly T[],
  kind: FeatureKind,
  cache: string,
  { onSkip, ...work }: WorkOptions,
): Promise<(T & { features: LoadFeatures })[]> {
  const features = await featureFiles(
    model,
    clips.map(({ clip }) => clip.audio),
    kind,
    {
      cache,
      onProgress: stageProgress(work, 'encoding', clips.length),
      onError: (_, error) => onSkip?.(error.message),
    },
  );
  return clips.flatMap((one, i) => (features[i] ? [{ ...one, features: features[i] }] : []));
}

export async function runProbe(
  model: WhisperModel,
  { labels, clips }: Labelled,
  { label, window, cache, eachLayer, training, ...events }: ProbeRun,
): Promise<{ head: Head; results: ProbeResults }> {
  const pooling = training.head === 'attention' ? 'frames' : 'mean';
  const examples = await clipFeatures(model, clips, { pooling, window }, cache, events);
  const trained = examples.filter(({ test }) => !test);
  const tested = examples.filter(({ test }) => test);
  if (trained.length === 0 || tested.length === 0)
    throw new UserError('found no recording that can be read for training or for testing; expected both');
  const layers = model.dimensions.encoderLayers + 1;
  const total = training.steps * (eachLayer ? 1 + layers : 1);
  const progress = stageProgress(events, 'training', total);
  const once = async (layer?: number) => {
    const before = layer === undefined ? 0 : training.steps * (layer + 1);
    const { head, losses } = await trainProbe(
      model.runtime,
      trained,
      labels.length,
      training,
      layer,
      (step, loss) => progress(before + step, `loss ${loss.toFixed(3)}`),
    );
    const classifier = await Classifier.create(model.runtime, head, layer);
    const answers = await classifier.classify(tested.map(({ features }) => features));
    await classifier.close();
    const truth = tested.map((one) => one.label);
    return { head, losses, answers, test: scoreProbe(labels, truth, answers) };
  };
  const whole = await once();
  const layerAccuracy: number[] = [];
  for (let layer = 0; eachLayer && layer < layers; layer++)
    layerAccuracy.push((await once(layer)).test.accuracy);
  const last = whole.losses.slice(-Math.ceil(whole.losses.length / 10));
  return {
    head: whole.head,
    results: {
      label,
      labels,
      learnt: labels.map((_, i) => trained.filter((one) => one.label === i).length),
      test: whole.test,
      layerShares: layerShares(whole.head.weights.get(LAYER_WEIGHTS)!.data),
      ...(eachLayer && { layerAccuracy }),
      confounded: confounded(
        trained.map(({ clip }) => clip),
        label,
      ),
      finalLoss: last.reduce((sum, loss) => sum + loss, 0) / last.length,
      predictions: tested.map((one, i) => ({
        audio: one.clip.audio,
        truth: labels[one.label]!,
        answer: labels[whole.answers[i]!]!,
      })),
    },
  };
}

export interface Robustness extends Condition {
  readonly test: ProbeScores;
}

/** Scores of the head on clips degraded in each of the conditions; degraded recordings are not stored. */
export async function testRobustness(
  model: WhisperModel,
  kind: FeatureKind,
  head: Head,
  labels: readonly string[],
  clips: readonly { readonly clip: Clip; readonly label: number }[],
  conditions: readonly Condition[],
  options: { seed: number; noise: SoundFolder | undefined; impulses: SoundFolder | undefined } & WorkOptions,
): Promise<Robustness[]> {
  const answers = conditions.map((): number[] => []);
  const classifier = await Classifier.create(model.runtime, head);
  const progress = stageProgress(options, 'damaged clips', clips.length * conditions.length);
  let done = 0;
  for (let start = 0; start < clips.length; start += CLIPS_AT_ONCE) {
    const round = clips.slice(start, start + CLIPS_AT_ONCE);
    const samples = await Promise.all(round.map(({ clip }) => readAudio(clip.audio)));
    for (const [i, condition] of conditions.entries()) {
      const folder = condition.kind === 'noise' ? options.noise : options.impulses;
      const worse = await Promise.all(
        samples.map((clean, k) =>
          degraded(clean, round[k]!.clip.audio, condition, { seed: options.seed, folder }),
        ),
      );
      const features = await layerFeatures(model, worse, kind);
      const classified = await classifier.classify(features.map((one) => async () => one));
      for (const answer of classified) answers[i]!.push(answer);
      done += round.length;
      progress(done);
    }
  }
  await classifier.close();
  const truth = clips.map(({ label }) => label);
  return conditions.map((condition, i) => ({ ...condition, test: scoreProbe(labels, truth, answers[i]!) }));
}
