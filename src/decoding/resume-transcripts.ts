/** Transcribes many recordings, and resumes from the results file of an earlier run. */
import type { WhisperModel } from '../whisper/model.ts';
import type { ResultsFile } from './results-file.ts';
import { type FileToTranscribe, type TranscribeFilesOptions, transcribeFiles } from './transcribe-files.ts';
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

/** A recording that can be transcribed. */
export interface ListedRecording extends FileToTranscribe<string> {
  /** Whether an earlier run has its result. */
  readonly known: boolean;
}

/** Gives one result for each recording that is not known, in their order. */
export type Transcriber = (
  recordings: Iterable<ListedRecording>,
) => AsyncGenerator<Transcript | FailedTranscript, void, undefined>;

export interface ResumeOptions extends Omit<TranscribeFilesOptions, 'onProgress' | 'windows'> {
  /** Called with the number of inputs done, the number of them done by earlier runs, and the seconds of audio. */
  readonly onProgress: (done: number, before: number, audio: AudioProgress) => void;
}

/** Transcribes in this process. With a results file, a long recording resumes within itself. */
export function transcriber(
  model: WhisperModel,
  inputs: readonly InputToTranscribe[],
  { onProgress, ...options }: ResumeOptions,
  results: ResultsFile | undefined,
): Transcriber {
  return (recordings) => {
    let before = inputs.length;
    function* missing() {
      for (const { known, ...recording } of recordings) if (!known) yield recording;
    }
    for (const { known } of recordings) if (!known) before--;
    return transcribeFiles(model, missing(), {
      ...options,
      windows: results?.windows,
      onProgress: (done, audio) => onProgress(before + done, before, audio),
    });
  };
}

/**
 * One result for each input, in their order: from the file, or new and then added to it. At the end the file is sorted into
 * the order of the inputs.
 * @param from the language spoken, whatever the inputs say
 */
export async function* resumeTranscripts(
  transcribe: Transcriber,
  inputs: readonly InputToTranscribe[],
  from: string | undefined,
  results: ResultsFile | undefined,
): AsyncGenerator<Transcript | FailedTranscript, void, undefined> {
  const known = new Uint8Array(inputs.length);
  for (const [i, { audio }] of inputs.entries()) known[i] = Number(results?.has(audio) ?? false);
  const listed = {
    *[Symbol.iterator](): Generator<ListedRecording> {
      for (const [i, { audio, language, error }] of inputs.entries()) {
        if (error === undefined) yield { audio, language: from ?? language, known: Boolean(known[i]) };
      }
    },
  };
  const computed = transcribe(listed);
  for (const [i, { audio, error }] of inputs.entries()) {
    const earlier = known[i] ? results?.get(audio) : undefined;
    const result = earlier ?? (error === undefined ? (await computed.next()).value! : { audio, error });
    if (!earlier) await results?.add(result);
    yield result;
  }
  // Ends its work: what it has for a run to come is not needed any more.
  await computed.next();
  await results?.finish(inputs.map(({ audio }) => audio));
}
