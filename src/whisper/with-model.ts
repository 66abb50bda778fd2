import type { WhisperModel } from './model.ts';

/** Runs `work` with a loaded model, which is closed even if it fails. */
export async function withModel<T>(
  load: Promise<WhisperModel>,
  work: (model: WhisperModel) => Promise<T>,
): Promise<T> {
  const model = await load;
  try {
    return await work(model);
  } finally {
    await model.close();
  }
}
