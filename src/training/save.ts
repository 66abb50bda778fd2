/** Saves a trained model as a Hugging Face directory. */
import {
  type Checkpoint,
  type Weight,
  type WriteCheckpointOptions,
  writeCheckpoint,
} from '../whisper/checkpoint.ts';
import type { WhisperModel } from '../whisper/model.ts';
import type { Task } from '../whisper/tokens.ts';

/** The generation config carries the prompt that was trained: without it, `generate` would ask for the old task. */
export async function saveModel(
  model: WhisperModel,
  directory: string,
  { language, task, dtype }: { language: string; task: Task; dtype: WriteCheckpointOptions['dtype'] },
): Promise<void> {
  const values = await model.runtime.read(model.weightNames);
  const weights = new Map(
    model.weightNames.map((name, i): [string, Weight] => {
      const { shape, data } = values[i]!;
      return [name, { shape, data: data as Float32Array }];
    }),
  );
  const { forced_decoder_ids: _, ...generation } = model.settings.generationConfig;
  const generationConfig = { ...generation, language, task, return_timestamps: false };
  await writeCheckpoint(directory, { ...model.settings, generationConfig, weights } as Checkpoint, { dtype });
}
