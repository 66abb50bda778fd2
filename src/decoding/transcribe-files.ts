/**
 * Audio files of any length to text. Whisper hears 30 s at once: longer audio is read in windows, each of which begins
 * where the last complete segment of the one before ended. Windows of different files are decoded together.
 */
import { UserError } from '../errors.ts';
import { readAudio } from '../speech/audio-file.ts';
import { speechStretches } from '../speech/voice-activity.ts';
import type { WhisperModel } from '../whisper/model.ts';
import { detectLanguages } from './detect-language.ts';
import { FileTranscription } from './file-transcription.ts';
import type { TranscribeOptions } from './transcribe-options.ts';
import type { FailedTranscript, Transcript } from './transcript.ts';
import { decodeWindows } from './windows.ts';

/** Read and decoded together: so many files, or so much audio, whatever comes first. */
const FILES_PER_ROUND = 32;
const SECONDS_PER_ROUND = 1800;

export interface FileToTranscribe {
  readonly audio: string;
  /** The language spoken; undefined: it is detected. */
  readonly language?: string | undefined;
}

/** One result for each file, in their order. A file that cannot be read gets an error, and the others go on. */
export async function* transcribeFiles(
  model: WhisperModel,
  files: readonly FileToTranscribe[],
  options: TranscribeOptions,
): AsyncGenerator<Transcript | FailedTranscript> {
  let next = 0;
  while (next < files.length) {
    const round: (FileTranscription | FailedTranscript)[] = [];
    for (
      let seconds = 0;
      round.length < FILES_PER_ROUND && seconds < SECONDS_PER_ROUND && next < files.length;
      next++
    ) {
      const file = await begun(model, files[next]!, options);
      round.push(file);
      if (!('error' in file)) seconds += file.duration;
    }
    const before = next - round.length;
    const readable = round.filter((file): file is FileTranscription => !('error' in file));
    for (;;) {
      const going = readable.filter((file) => !file.done);
      options.onProgress?.(before + round.reduce((sum, file) => sum + ('error' in file ? 1 : file.share), 0));
      if (going.length === 0) break;
      await nextWindows(model, going, options);
    }
    for (const file of round) yield 'error' in file ? file : file.transcript();
  }
}

async function begun(
  model: WhisperModel,
  { audio, language }: FileToTranscribe,
  options: TranscribeOptions,
): Promise<FileTranscription | FailedTranscript> {
  try {
    const samples = await readAudio(audio);
    const stretches = options.skipSilence ? await speechStretches(samples) : undefined;
    return new FileTranscription(model, audio, samples, stretches, language, options);
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    return { audio, error: error.message };
  }
}

/** The next window of each file: encoded, its language detected where it is not known, decoded, taken apart. */
async function nextWindows(
  model: WhisperModel,
  files: readonly FileTranscription[],
  options: TranscribeOptions,
): Promise<void> {
  const samples = files.map((file) => file.nextWindow());
  const clips = await model.encode(samples, options.window);
  const unknown = files.flatMap((file, i) => (file.language === undefined ? [i] : []));
  if (unknown.length > 0) {
    const detected = await detectLanguages(
      model,
      unknown.map((i) => clips[i]!),
    );
    for (const [k, i] of unknown.entries()) files[i]!.setLanguage(detected[k]!);
  }
  // Timestamps are another program: files with and without are decoded apart.
  for (const withTimestamps of [false, true]) {
    const members = [...files.keys()].filter((i) => files[i]!.withTimestamps === withTimestamps);
    if (members.length === 0) continue;
    const decoded = await decodeWindows(
      model,
      members.map((i) => samples[i]!),
      members.map((i) => clips[i]!),
      options,
      members.map((i) => files[i]!.prompt()),
      withTimestamps,
    );
    for (const [k, i] of members.entries()) await files[i]!.add(decoded[k]!.result, decoded[k]!.clip);
  }
}
