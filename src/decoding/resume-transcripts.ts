/** Transcribes many recordings, and resumes from the results file of an earlier run. */
import type { WhisperModel } from '../whisper/model.ts';
import type { ResultsFile } from './results-file.ts';
import { type TranscribeFilesOptions, transcribeFiles } from './transcribe-files.ts';
import type { AudioProgress } from './transcribe-options.ts';
import type { FailedTranscript, Transcript } from './transcript.ts';

export interface InputToTranscribe {
  /** Path. */
  readonly audio: string;
  /** The language spoken, where a manifest names it. */
  readonly language?: string | undefined;
  /** Reason why it cannot be transcribed. */
  readonly error?: string | undefined;
}

export interface ResumeOptions extends Omit<TranscribeFilesOptions, 'onProgress' | 'windows'> {
  /** Called with the number of inputs done, the number of them done by earlier runs, and the seconds of audio. */
  readonly onProgress: (done: number, before: number, audio: AudioProgress) => void;
}

/**
 * One result for each input, in their order: from the file, or new and then added to it. At the end the file is sorted into
 * the order of the inputs. With a file, a long recording resumes within itself.
 */
export async function* resumeTranscripts(
  model: WhisperModel,
  inputs: readonly InputToTranscribe[],
  { onProgress, ...options }: ResumeOptions,
  results: ResultsFile | undefined,
): AsyncGenerator<Transcript | FailedTranscript, void, undefined> {
  const known = new Uint8Array(inputs.length);
  for (const [i, { audio, error }] of inputs.entries()) {
    known[i] = Number(results?.has(audio) || error !== undefined);
  }
  const before = known.reduce((sum, one) => sum + one, 0);
  function* missing() {
    for (const [i, { audio, language }] of inputs.entries()) {
      if (!known[i]) yield { audio, language: options.from ?? language };
    }
  }
  const computed = transcribeFiles(model, missing(), {
    ...options,
    windows: results?.windows,
    onProgress: (done, audio) => onProgress(before + done, before, audio),
  });
  for (const [i, { audio, error }] of inputs.entries()) {
    const earlier = known[i] ? results?.get(audio) : undefined;
    const result = earlier ?? (error === undefined ? (await computed.next()).value! : { audio, error });
    if (!earlier) await results?.add(result);
    yield result;
  }
  await results?.finish(inputs.map(({ audio }) => audio));
}
