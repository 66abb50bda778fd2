/** Saves a trained model as a Hugging Face directory. */
import {
  type Checkpoint,
  type Weight,
  type WriteCheckpointOptions,
  writeCheckpoint,
} from '../checkpoint/checkpoint.ts';
import { writeEnglishHalf } from '../whisper/english-half.ts';
import { writeExperts } from '../whisper/expert-files.ts';
import type { WhisperModel } from '../whisper/model.ts';
import { generationFields, type TrainedPrompt } from '../whisper/prompts.ts';
import { type TargetVocabulary, writeTargetVocabulary } from '../whisper/target-vocabulary.ts';

/** The generation config carries the prompt that was trained: without it, `generate` would use the old task. */
export async function saveModel(
  model: WhisperModel,
  directory: string,
  {
    prompt,
    vocabulary,
    dtype,
  }: {
    prompt: TrainedPrompt;
    vocabulary?: TargetVocabulary | undefined;
    dtype: WriteCheckpointOptions['dtype'];
  },
): Promise<void> {
  const values = await model.runtime.read(model.weightNames);
  const weights = new Map(
    model.weightNames.map((name, i): [string, Weight] => {
      const { shape, data } = values[i]!;
      return [name, { shape, data: data as Float32Array }];
    }),
  );
  const { forced_decoder_ids: _, language: __, ...generation } = model.settings.generationConfig;
  const generationConfig = { ...generation, ...generationFields(model.tokens, prompt) };
  await writeCheckpoint(directory, { ...model.settings, generationConfig, weights } as Checkpoint, { dtype });
  await writeExperts(directory, model.dimensions, [...model.experts.values()], (names) =>
    model.runtime.read(names),
  );
  if (vocabulary) await writeTargetVocabulary(directory, vocabulary);
  if (prompt.kind === 'english-first') await writeEnglishHalf(model.directory, directory);
}
