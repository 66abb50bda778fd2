/** Transcribes many recordings, and resumes from the results file of an earlier run. */
import type { WhisperModel } from '../whisper/model.ts';
import type { ResultsFile } from './results-file.ts';
import { type TranscribeFilesOptions, transcribeFiles } from './transcribe-files.ts';
import type { FailedTranscript, Transcript } from './transcript.ts';

export interface InputToTranscribe {
  /** Path. */
  readonly audio: string;
  /** The language spoken, where a manifest names it. */
  readonly language?: string | undefined;
  /** Reason why it cannot be transcribed. */
  readonly error?: string | undefined;
}

/**
 * One result for each input, in their order: from the file, or new and then added to it. At the end the file is sorted into
 * the order of the inputs.
 * @param onProgress called with the number of inputs done, and the number of them done by earlier runs
 */
export async function* resumeTranscripts(
  model: WhisperModel,
  inputs: readonly InputToTranscribe[],
  options: TranscribeFilesOptions,
  results: ResultsFile | undefined,
  onProgress: (done: number, before: number) => void,
): AsyncGenerator<Transcript | FailedTranscript, void, undefined> {
  const known = inputs.map(
    ({ audio, error }) => results?.get(audio) ?? (error === undefined ? undefined : { audio, error }),
  );
  const missing = inputs.filter((_, i) => !known[i]);
  const before = inputs.length - missing.length;
  const computed = transcribeFiles(
    model,
    missing.map(({ audio, language }) => ({ audio, language: options.from ?? language })),
    { ...options, onProgress: (done) => onProgress(before + done, before) },
  );
  for (const one of known) {
    const result = one ?? (await computed.next()).value!;
    if (!one || 'error' in one) await results?.add(result);
    yield result;
  }
  await results?.finish(inputs.map(({ audio }) => audio));
}
