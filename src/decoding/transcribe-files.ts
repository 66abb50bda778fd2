/**
 * Audio files of any length to text. Whisper hears 30 s at once: longer audio is cut into parts at quiet places, and a
 * part is read in windows, each of which begins where the last complete segment of the one before ended. Windows of
 * different parts and files are decoded together.
 */

import { readAudio } from '../audio/audio-file.ts';
import { SAMPLE_RATE } from '../audio/sample-rate.ts';
import { speechStretches } from '../audio/voice-activity.ts';
import { UserError } from '../errors.ts';
import type { EncodedClip } from '../whisper/encoded-clip.ts';
import type { WhisperModel } from '../whisper/model.ts';
import { cutSilence } from './cut-silence.ts';
import { detectLanguages } from './detect-language.ts';
import { decodeWithRetry } from './full-window-retry.ts';
import { type FileFacts, joined, PartTranscription } from './part-transcription.ts';
import { splitLongAudio, WINDOW_SAMPLES } from './split-long-audio.ts';
import type { TranscribeOptions } from './transcribe-options.ts';
import type { FailedTranscript, Transcript } from './transcript.ts';

/** Read and decoded together: so many files, or so much audio, whatever comes first. */
const FILES_PER_ROUND = 32;
const SECONDS_PER_ROUND = 1800;
/** Encoded full windows are 3 MB each. */
const WINDOWS_AT_ONCE = 32;

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
    const round: (BegunFile | FailedTranscript)[] = [];
    for (
      let seconds = 0;
      round.length < FILES_PER_ROUND && seconds < SECONDS_PER_ROUND && next < files.length;
      next++
    ) {
      const begun = await begin(model, files[next]!, options);
      round.push(begun);
      if (!('error' in begun)) seconds += begun.file.duration;
    }
    const before = next - round.length;
    const parts = round.flatMap((file) => ('error' in file ? [] : file.parts));
    for (;;) {
      const done = round.map((file) => ('error' in file ? 1 : shareDone(file)));
      options.onProgress?.(before + done.reduce((sum, share) => sum + share, 0));
      const going = parts.filter((part) => !part.done).slice(0, WINDOWS_AT_ONCE);
      if (going.length === 0) break;
      await nextWindows(model, going, options);
    }
    for (const file of round) yield 'error' in file ? file : joined(file.file, file.parts);
  }
}

interface BegunFile {
  readonly file: FileFacts;
  readonly parts: readonly PartTranscription[];
}

function shareDone({ parts }: BegunFile): number {
  return parts.reduce((sum, part) => sum + part.share, 0) / Math.max(1, parts.length);
}

async function begin(
  model: WhisperModel,
  { audio, language }: FileToTranscribe,
  options: TranscribeOptions,
): Promise<BegunFile | FailedTranscript> {
  try {
    const all = await readAudio(audio);
    const { samples, originalTime } = options.skipSilence
      ? cutSilence(all, await speechStretches(all))
      : { samples: all, originalTime: (seconds: number) => seconds };
    const long = samples.length > WINDOW_SAMPLES;
    const file: FileFacts = { audio, duration: all.length / SAMPLE_RATE, long, language };
    // Where a window is told what was said before, they must be read one after the other.
    const pieces = long && !options.conditionOnPrevious ? splitLongAudio(samples) : [samples];
    const nothing = options.skipSilence && samples.length === 0;
    let at = 0;
    const parts = nothing
      ? []
      : pieces.map((piece) => {
          const offset = at / SAMPLE_RATE;
          at += piece.length;
          const part = { samples: piece, originalTime: (seconds: number) => originalTime(offset + seconds) };
          return new PartTranscription(model, file, part, options);
        });
    return { file, parts };
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    return { audio, error: error.message };
  }
}

/** The next window of each part: encoded, its file's language detected where it is not known, decoded, taken apart. */
async function nextWindows(
  model: WhisperModel,
  parts: readonly PartTranscription[],
  options: TranscribeOptions,
): Promise<void> {
  const samples = parts.map((part) => part.nextWindow());
  const clips: EncodedClip[] = new Array(parts.length);
  for (const window of ['fit', 'full'] as const) {
    const members = [...parts.keys()].filter((i) => parts[i]!.window === window);
    const encoded = await model.encode(
      members.map((i) => samples[i]!),
      window,
    );
    for (const [k, i] of members.entries()) clips[i] = encoded[k]!;
  }
  // The first part of a file tells its language.
  const unknown = parts.flatMap(({ file }, i) =>
    file.language === undefined && parts.findIndex((part) => part.file === file) === i ? [i] : [],
  );
  if (unknown.length > 0) {
    const detected = await detectLanguages(
      model,
      unknown.map((i) => clips[i]!),
    );
    for (const [k, i] of unknown.entries()) {
      parts[i]!.file.detected = detected[k]!;
      parts[i]!.file.language = detected[k]!.language;
    }
  }
  // Timestamps are another program: parts with and without are decoded apart.
  for (const withTimestamps of [false, true]) {
    const members = [...parts.keys()].filter((i) => parts[i]!.withTimestamps === withTimestamps);
    if (members.length === 0) continue;
    const { temperatures, compressionRatioThreshold, logProbabilityThreshold, noSpeechThreshold } = options;
    const decoded = await decodeWithRetry(
      model,
      members.map((i) => clips[i]!),
      {
        ...options.decoding,
        temperatures,
        compressionRatioThreshold,
        logProbabilityThreshold,
        noSpeechThreshold,
        prompts: members.map((i) => parts[i]!.prompt()),
        languages: members.map((i) => parts[i]!.file.language),
        withTimestamps,
      },
      (some) =>
        model.encode(
          some.map((k) => samples[members[k]!]!),
          'full',
        ),
    );
    for (const [k, i] of members.entries()) await parts[i]!.add(decoded[k]!.result, decoded[k]!.clip);
  }
}
