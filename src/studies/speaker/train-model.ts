/** A speaker model from the recordings of a manifest. */

import { join } from 'node:path';
import { lockFolder } from '../../files/lock.ts';
import { writeWhole } from '../../files/write-whole.ts';
import type { WorkOptions } from '../../report/progress.ts';
import { prepareCheckpoints } from '../../training/checkpoints.ts';
import { WhisperModel } from '../../whisper/model.ts';
import { withModel } from '../../whisper/with-model.ts';
import { recordingsBySpeaker, type SpokenBy } from './recordings.ts';
import { runSpeakerTraining } from './run.ts';
import { type SpeakerOptions, speakerSteps } from './train.ts';

export interface TrainSpeakerOptions extends SpokenBy, Omit<SpeakerOptions, 'from' | 'onStep'>, WorkOptions {
  readonly model: string;
  readonly output: string;
  readonly resume: boolean;
  /** 'stop' ends the run there, with a checkpoint. */
  readonly onStep: (step: number, loss: number) => 'stop' | undefined;
}

/** @returns the loss of each step; undefined where `onStep` stopped the run */
export function trainSpeakerModel(options: TrainSpeakerOptions): Promise<readonly number[] | undefined> {
  return lockFolder(options.output, () => train(options), options);
}

async function train(options: TrainSpeakerOptions): Promise<readonly number[] | undefined> {
  const { output, resume, onStep, onProgress, onNote } = options;
  const clips = await recordingsBySpeaker(options, options);
  await prepareCheckpoints(output, resume);
  const total = speakerSteps(clips, options);
  let resumed = 0;
  const progress = (done: number, note?: string) =>
    onProgress?.({ stage: 'training', done, total, note, resumed });
  return withModel(WhisperModel.load(options.model), async (model) => {
    const losses = await runSpeakerTraining(model, clips, {
      ...options,
      note: (line) => onNote?.(line),
      onStart: (step) => {
        resumed = step;
        progress(step);
      },
      onStep: (step, loss) => {
        progress(step, `loss ${loss.toFixed(3)}`);
        return onStep(step, loss);
      },
    });
    if (losses) await writeWhole(join(output, 'losses.json'), `${JSON.stringify(losses)}\n`);
    return losses;
  });
}
