/** Trains speaker embeddings with checkpoints, and writes the speaker model. */
import { Fingerprint } from '../../files/fingerprint.ts';
import { createFolder } from '../../files/write-whole.ts';
import { writeSpeaker } from '../../speakers/speaker-file.ts';
import {
  type KeptRecord,
  prepareCheckpoints,
  removeCheckpoints,
  resumption,
  writeTrainingCheckpoint,
} from '../../training/checkpoints.ts';
import type { WhisperModel } from '../../whisper/model.ts';
import { type SpeakerClip, type SpeakerOptions, trainSpeaker } from './train.ts';

export interface SpeakerRunOptions extends Omit<SpeakerOptions, 'from' | 'onStep'> {
  readonly output: string;
  readonly resume: boolean;
  /** Seconds between checkpoints. @default 60 */
  readonly checkpointSeconds?: number;
  /** Called with a note to the user, one line. */
  readonly note: (line: string) => void;
  /** Called with the step after which the run begins. */
  readonly onStart: (step: number) => void;
  /** 'stop' ends the run there, with a checkpoint. */
  readonly onStep: (step: number, loss: number) => 'stop' | undefined;
}

interface SpeakerRecord extends KeptRecord {
  readonly losses: readonly number[];
}

/**
 * Trains with checkpoints, which are removed once the speaker model is written.
 * @returns the loss of each step, those before a resumption included; undefined where `onStep` stopped the run
 * @throws UserError where the folder holds another run's checkpoints, or cannot be written
 */
export async function runSpeakerTraining(
  model: WhisperModel,
  clips: readonly SpeakerClip[],
  { output, resume, checkpointSeconds = 60, note, onStart, onStep, ...options }: SpeakerRunOptions,
): Promise<readonly number[] | undefined> {
  const folder = await prepareCheckpoints(output, resume);
  await createFolder(folder);
  const encoder = await model.encoderFingerprint();
  const { epochs, batchSize, learningRate, seconds, frozen, seed } = options;
  const settings = {
    ...{ encoder, epochs, batchSize, learningRate, seconds, frozen, seed },
    clips: clipsFingerprint(clips),
    threads: model.runtime.threads,
  };
  const found = await resumption<SpeakerRecord>(folder, settings, { resume, note });
  const losses = [...(found?.record.losses ?? [])];
  onStart(losses.length);
  let written = performance.now();
  let stopped = false;
  await trainSpeaker(model, clips, {
    ...options,
    from: found?.state,
    onStep: async (step, loss, state) => {
      losses.push(loss);
      stopped = onStep(step, loss) === 'stop';
      if (stopped || performance.now() - written > 1000 * checkpointSeconds) {
        const record: SpeakerRecord = { settings, losses };
        await writeTrainingCheckpoint(folder, await state(), record);
        written = performance.now();
      }
      return stopped ? 'stop' : undefined;
    },
  });
  if (stopped) return undefined;
  await writeSpeaker(output, model, { encoder, frozen });
  await removeCheckpoints(folder);
  return losses;
}

/** Hash of the recordings by content, independent of paths. */
function clipsFingerprint(clips: readonly SpeakerClip[]): string {
  const hash = new Fingerprint();
  for (const { samples, speaker } of clips) {
    hash.add(`${speaker}\n${samples.length}\n`, samples);
  }
  return hash.hex();
}
