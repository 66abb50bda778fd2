/**
 * Clips per second of `train` against those of the usual Hugging Face script (bench/peers/hf_usual_script.py), on the same
 * clips with the same texts. Ours encodes each clip once, in a fitted window, and then steps on that; the script makes each
 * clip's log-mel of 30 s once, and has the encoder in every step. What is done once counts in equal shares in all epochs.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { encodeFiles } from '../src/features/encoded-clips.ts';
import { defaultTraining } from '../src/training/choices.ts';
import { translationExamples } from '../src/training/examples.ts';
import { type TrainingOptions, trainDecoder } from '../src/training/train.ts';
import { WhisperModel } from '../src/whisper/model.ts';
import { promptOf } from '../src/whisper/prompts.ts';
import type { BenchOptions } from './options.ts';
import { Peer } from './peer.ts';
import { type BenchResult, inRepository } from './result.ts';
import { clipsOf } from './speech.ts';
import { median, pairwise, seconds, showRatios } from './statistics.ts';

const CLIPS = 32;
const BATCH = 16;
const STEPS = 4;
const WARM_UP_STEPS = 2;
const EPOCHS = 3;
const SMALLEST_RATIO = 10;

export async function trainUsualScript({ model: directory }: BenchOptions): Promise<BenchResult> {
  const [first, ...others] = await clipsOf('train', 'en');
  const clips = others.slice(0, CLIPS);
  const model = await WhisperModel.load(directory);
  const encode = (files: readonly string[]) => encodeFiles(model, files, { window: 'fit', cache: undefined });
  await encode([first!.audio]);
  const started = performance.now();
  const encoded = await encode(clips.map(({ audio }) => audio));
  const encodeSeconds = (performance.now() - started) / 1000;
  const pairs = clips.map((clip, i) => ({ clip, encoded: encoded[i]! }));
  const examples = translationExamples(model, pairs, {
    target: 'zh',
    promptOf: (language, target) => promptOf(model.tokens, 'target-transcribe', target, language),
  });

  const list = inRepository('out/bench/train-usual-script-clips.jsonl');
  mkdirSync(inRepository('out/bench'), { recursive: true });
  const lines = examples.map(({ source, tokens: [_, ...labels] }) =>
    JSON.stringify({ audio: source!.audio, labels }),
  );
  writeFileSync(list, lines.map((line) => `${line}\n`).join(''));
  const peer = await Peer.start('hf_usual_script.py', [
    ...['--model', directory, '--clips', list, '--batch', String(BATCH)],
  ]);

  const theirs: { seconds: number; loss: number }[] = [];
  /** Steps as `train` makes them, each followed by the peer's turn where it has one. */
  const train = async (embedding: TrainingOptions['embedding'], turn?: () => Promise<void>) => {
    const reports = await trainDecoder(model, examples, {
      ...defaultTraining,
      embedding,
      batchSize: BATCH,
      steps: WARM_UP_STEPS + STEPS,
      onStep: async ({ step }) => {
        if (step > WARM_UP_STEPS) await turn?.();
        return undefined;
      },
    });
    return reports.slice(WARM_UP_STEPS).map(({ seconds, loss }) => ({ seconds, loss }));
  };
  const ours = await train('frozen', async () => {
    if (typeof peer === 'string') return;
    const { seconds, loss } = await peer.step();
    theirs.push({ seconds, loss: loss as number });
  });
  const peerMemory = typeof peer === 'string' ? undefined : await peer.stop();
  const trained = await train('trained');
  await model.close();

  const measured = theirs.length > 0;
  const prepareSeconds = typeof peer === 'string' ? Number.NaN : (peer.facts.prepare_seconds as number);
  /** Clips per second of each step, `once` shared out. */
  const rates = (steps: readonly { seconds: number }[], once = 0): number[] =>
    steps.map((step) => 1 / (step.seconds / BATCH + once / (CLIPS * EPOCHS)));
  const row = (measure: string, our: readonly number[], their: readonly number[]) => ({
    measure,
    ours: `${median(our).toFixed(2)} clips/s`,
    ...(measured && { peer: `${median(their).toFixed(2)} clips/s`, ratio: showRatios(pairwise(our, their)) }),
  });
  const whole = { ours: rates(ours, encodeSeconds), peer: rates(theirs, prepareSeconds) };
  const ratio = measured ? pairwise(whole.ours, whole.peer).median : undefined;
  const length = clips.reduce((sum, { duration }) => sum + duration, 0) / CLIPS;
  return {
    title: `Training on ${CLIPS} clips of ${length.toFixed(1)} s, ${BATCH} a step, against the usual script with 30 s windows`,
    rows: [
      {
        measure: 'once, of all clips: ours encodes them, the peer makes log-mels',
        ours: seconds(encodeSeconds),
        ...(measured && { peer: seconds(prepareSeconds) }),
      },
      {
        measure: 'a step',
        ours: seconds(median(ours.map((step) => step.seconds))),
        ...(measured && { peer: seconds(median(theirs.map((step) => step.seconds))) }),
      },
      row('steps alone', rates(ours), rates(theirs)),
      row(`with what is done once, ${EPOCHS} epochs`, whole.ours, whole.peer),
      row('the same, ours with the embedding trained, too', rates(trained, encodeSeconds), whole.peer),
    ],
    goals: [
      {
        goal: `at least ${SMALLEST_RATIO} times the script's clips per second, over ${EPOCHS} epochs`,
        found: ratio?.toFixed(1) ?? 'no peer',
        reached: ratio === undefined ? undefined : ratio >= SMALLEST_RATIO,
      },
    ],
    notes: [
      typeof peer === 'string'
        ? peer
        : `peer: transformers ${peer.versions.transformers}, PyTorch ${peer.versions.torch}, eager float32, encoder frozen, token embedding trained`,
      "The last row's steps of ours follow the pairs; loading the models, and a first clip of each, count nowhere.",
    ],
    ...(typeof peer !== 'string' && { peerVersions: peer.versions }),
    raw: { ours, trained, peer: theirs, encodeSeconds, prepareSeconds, peerMemoryMiB: peerMemory },
  };
}
