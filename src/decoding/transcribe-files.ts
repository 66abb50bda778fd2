/**
 * Transcribes recordings of any length. Whisper's window is 30 s: longer audio is split into parts at quiet places, and a
 * part is decoded in windows, each of which begins where the last complete segment of the one before ended. Windows of
 * different parts and recordings are decoded together.
 */

import { abortableResults } from '../abort.ts';
import { type AudioSource, readAudioSource } from '../audio/audio-source.ts';
import { SAMPLE_RATE } from '../audio/sample-rate.ts';
import { speechStretches } from '../audio/voice-activity.ts';
import { UserError } from '../errors.ts';
import { windowFrames } from '../whisper/encoded-clip.ts';
import type { WhisperModel } from '../whisper/model.ts';
import type { Task } from '../whisper/tokens.ts';
import { cutSilence } from './cut-silence.ts';
import { FRAMES_PER_BATCH } from './decode.ts';
import { chosenDecoding } from './decoding-choice.ts';
import { detectLanguages } from './detect-language.ts';
import { encodeWindows } from './encode-windows.ts';
import { decodeWithRetry } from './full-window-retry.ts';
import { type FileFacts, joined, PartTranscription, type WindowOptions } from './part-transcription.ts';
import { choosePrompt, targetOf } from './prompt-choice.ts';
import { rounds } from './rounds.ts';
import { splitLongAudio, WINDOW_SAMPLES } from './split-long-audio.ts';
import type { TranslateOptions } from './transcribe-options.ts';
import type { FailedTranscript, Segment, Transcript } from './transcript.ts';

/** Windows decoded together: more gain no time, and results come later. Encoded full windows are 3 MB each. */
const MAX_WINDOWS = 8;

export interface FileToTranscribe<Audio extends AudioSource = AudioSource> {
  readonly audio: Audio;
  /** The language spoken. Default: `from`, else detected. */
  readonly language?: string | undefined;
}

/** TranscribeOptions, and with `task: 'translate'` those of a translation. */
export interface TranscribeFilesOptions extends TranslateOptions {
  /** Default `transcribe`. */
  readonly task?: Task | undefined;
}

/**
 * One result for each recording, in their order, as soon as it and those before it are done. A recording that cannot be
 * read gives an error entry; others are not affected.
 */
export function transcribeFiles<Audio extends AudioSource>(
  model: WhisperModel,
  files: Iterable<FileToTranscribe<Audio>> | AsyncIterable<FileToTranscribe<Audio>>,
  options: TranscribeFilesOptions = {},
): AsyncGenerator<Transcript<Audio> | FailedTranscript<Audio>, void, undefined> {
  return abortableResults(options.signal, transcripts(model, files, options));
}

async function* transcripts<Audio extends AudioSource>(
  model: WhisperModel,
  list: Iterable<FileToTranscribe<Audio>> | AsyncIterable<FileToTranscribe<Audio>>,
  options: TranscribeFilesOptions,
): AsyncGenerator<Transcript<Audio> | FailedTranscript<Audio>, void, undefined> {
  const plan = await planOf(model, options);
  let files = 0;
  let seconds = 0;
  for await (const round of rounds(list, (file) => begin(model, file, plan))) {
    const total = seconds + sum(round, ({ duration }) => duration);
    let yielded = 0;
    for (;;) {
      plan.signal?.throwIfAborted();
      const done = files + sum(round, shareDone);
      options.onProgress?.(done, {
        done: seconds + sum(round, (file) => shareDone(file) * file.duration),
        total,
      });
      for (; yielded < round.length; yielded++) {
        const file = round[yielded]!;
        if (options.onSegment)
          for (const segment of file.newSegments()) options.onSegment(segment, file.audio);
        if (!isDone(file)) break;
        yield resultOf(file);
      }
      const group = nextGroup(round);
      if (group.length === 0) break;
      await nextWindows(model, group, plan);
    }
    files += round.length;
    seconds = total;
  }
}

/** Options with defaults filled in and named files read. */
interface Plan extends WindowOptions, Awaited<ReturnType<typeof chosenDecoding>> {
  /** The language spoken, if common to all recordings. */
  readonly from: string | undefined;
  readonly skipSilence: boolean;
  readonly fallback: Pick<
    TranslateOptions,
    'compressionRatioThreshold' | 'logProbabilityThreshold' | 'noSpeechThreshold'
  >;
  readonly signal: AbortSignal | undefined;
}

async function planOf(model: WhisperModel, options: TranscribeFilesOptions): Promise<Plan> {
  const { from, to, task = 'transcribe', words = false, window = 'fit', signal } = options;
  // Checked before long work begins.
  if (from !== undefined) model.tokens.language(from);
  const prompt = choosePrompt(model, { ...options, task }, options.onNote);
  const written = task === 'translate' ? targetOf(model, to) : (from ?? 'en');
  const { compressionRatioThreshold, logProbabilityThreshold, noSpeechThreshold } = options;
  return {
    ...(await chosenDecoding(model, options, written)),
    from,
    prompt,
    window,
    words,
    timestamps: options.timestamps ?? (words || undefined),
    conditionOnPrevious: options.conditionOnPrevious ?? false,
    skipSilence: options.skipSilence ?? false,
    fallback: { compressionRatioThreshold, logProbabilityThreshold, noSpeechThreshold },
    signal,
  };
}

interface BegunFile<Audio extends AudioSource> {
  readonly audio: Audio;
  /** Seconds. */
  readonly duration: number;
  readonly file: FileFacts<Audio>;
  readonly parts: readonly PartTranscription[];
  /** Segments that follow those of the last call, in order. */
  readonly newSegments: () => Iterable<Segment>;
  readonly samples?: Float32Array;
  /** Reason why it could not be read. */
  readonly error?: string;
}

const isDone = ({ parts }: BegunFile<AudioSource>): boolean => parts.every((part) => part.done);

const shareDone = ({ parts }: BegunFile<AudioSource>): number =>
  parts.length === 0 ? 1 : sum(parts, (part) => part.share) / parts.length;

const sum = <Item>(items: readonly Item[], value: (item: Item) => number): number =>
  items.reduce((total, item) => total + value(item), 0);

function resultOf<Audio extends AudioSource>({
  file,
  parts,
  error,
}: BegunFile<Audio>): Transcript<Audio> | FailedTranscript<Audio> {
  return error === undefined ? joined(file, parts) : { audio: file.audio, error };
}

/** The first parts that are not done: as many as are decoded in one batch. */
function nextGroup(round: readonly BegunFile<AudioSource>[]): PartTranscription[] {
  const group: PartTranscription[] = [];
  let frames = 0;
  for (const { parts } of round) {
    for (const part of parts) {
      if (part.done) continue;
      frames += windowFrames(part.nextWindow().length, part.window);
      if (group.length === MAX_WINDOWS || (group.length > 0 && frames > FRAMES_PER_BATCH)) return group;
      group.push(part);
    }
  }
  return group;
}

async function begin<Audio extends AudioSource>(
  model: WhisperModel,
  { audio, language }: FileToTranscribe<Audio>,
  plan: Plan,
): Promise<BegunFile<Audio>> {
  const { skipSilence, conditionOnPrevious, signal } = plan;
  try {
    const all = await readAudioSource(audio, { signal });
    const { samples, originalTime } = skipSilence
      ? cutSilence(all, await speechStretches(all, signal))
      : { samples: all, originalTime: (seconds: number) => seconds };
    const long = samples.length > WINDOW_SAMPLES;
    const duration = all.length / SAMPLE_RATE;
    const file = { audio, duration, long, language: language ?? plan.from };
    // With previous text as context, windows must be decoded in order.
    const pieces = long && !conditionOnPrevious ? splitLongAudio(samples) : [samples];
    const nothing = skipSilence && samples.length === 0;
    let at = 0;
    const parts = nothing
      ? []
      : pieces.map((piece) => {
          const first = at;
          const offset = at / SAMPLE_RATE;
          at += piece.length;
          const part = { samples: piece, originalTime: (seconds: number) => originalTime(offset + seconds) };
          return new PartTranscription(model, file, part, first, plan);
        });
    return { audio, duration, file, parts, newSegments: segmentReader(parts), samples: all };
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    const file = { audio, duration: 0, long: false, language };
    return { audio, duration: 0, file, parts: [], newSegments: () => [], error: error.message };
  }
}

/** The segments of parts in order, as far as they are complete; each call continues where the last one ended. */
function segmentReader(parts: readonly PartTranscription[]): () => Iterable<Segment> {
  let part = 0;
  let segment = 0;
  return function* () {
    for (; part < parts.length; part++, segment = 0) {
      const { segments, done } = parts[part]!;
      for (; segment < segments.length; segment++) yield segments[segment]!;
      if (!done) return;
    }
  };
}

/** Encodes the next window of each part, detects unknown languages, decodes, and splits the text into segments. */
async function nextWindows(
  model: WhisperModel,
  parts: readonly PartTranscription[],
  { decoding, temperatures, fallback, signal }: Plan,
): Promise<void> {
  const samples = parts.map((part) => part.nextWindow());
  const clips = await encodeWindows(
    model,
    parts.map(({ window }, i) => ({ samples: samples[i]!, window })),
    signal,
  );
  // The language of a file is detected in its first part.
  const unknown = parts.flatMap(({ file }, i) =>
    file.language === undefined && parts.findIndex((part) => part.file === file) === i ? [i] : [],
  );
  if (unknown.length > 0) {
    const detected = await detectLanguages(
      model,
      unknown.map((i) => clips[i]!),
      signal,
    );
    for (const [k, i] of unknown.entries()) {
      parts[i]!.file.detected = detected[k]!;
      parts[i]!.file.language = detected[k]!.language;
    }
  }
  // Timestamps need another program: parts with and without are decoded separately.
  for (const withTimestamps of [false, true]) {
    const members = [...parts.keys()].filter((i) => parts[i]!.withTimestamps === withTimestamps);
    if (members.length === 0) continue;
    const decoded = await decodeWithRetry(
      model,
      members.map((i) => clips[i]!),
      {
        ...decoding,
        ...fallback,
        temperatures,
        signal,
        prompts: members.map((i) => parts[i]!.prompt()),
        languages: members.map((i) => parts[i]!.file.language),
        positions: members.map((i) => parts[i]!.position),
        withTimestamps,
      },
      (some) =>
        model.encode(
          some.map((k) => samples[members[k]!]!),
          'full',
          { signal },
        ),
    );
    for (const [k, i] of members.entries()) {
      signal?.throwIfAborted();
      const part = parts[i]!;
      part.add(await part.result(decoded[k]!.result, decoded[k]!.clip));
    }
  }
}
