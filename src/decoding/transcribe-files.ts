/**
 * Transcribes recordings of any length. Whisper's window is 30 s: longer audio is split into parts at quiet places, and a
 * part is decoded in windows, each of which begins where the last complete segment of the one before ended. Windows of
 * different parts and recordings are decoded together.
 */

import { abortableResults } from '../abort.ts';
import { type AudioSource, audioName, readAudioSource, readSourceChannels } from '../audio/audio-source.ts';
import { SAMPLE_RATE } from '../audio/sample-rate.ts';
import { PADDING, speechStretches } from '../audio/voice-activity.ts';
import { UserError } from '../errors.ts';
import { fingerprint } from '../files/fingerprint.ts';
import { alignmentHeads } from '../whisper/alignment-heads.ts';
import { windowFrames } from '../whisper/encoded-clip.ts';
import type { WhisperModel } from '../whisper/model.ts';
import type { Task } from '../whisper/tokens.ts';
import { cutSilence } from './cut-silence.ts';
import { FRAMES_PER_BATCH } from './decode.ts';
import { chosenDecoding } from './decoding-choice.ts';
import { certainLanguages, commonLanguage, detectLanguages } from './detect-language.ts';
import { encodeWindows } from './encode-windows.ts';
import { decodeWithRetry } from './full-window-retry.ts';
import { type KeptWindow, keptLanguage, languageToKeep, type WindowKey } from './kept-window.ts';
import { later, laterSegment, mergedChannels, segmentsByTime } from './merge-channels.ts';
import {
  type FileFacts,
  joined,
  PartTranscription,
  type WindowOptions,
  type WindowResult,
} from './part-transcription.ts';
import { choosePrompt, targetOf } from './prompt-choice.ts';
import { rounds } from './rounds.ts';
import {
  isLong,
  piecesOf,
  type Region,
  speechRegions,
  speechSeconds,
  windowsToAsk,
} from './speech-regions.ts';
import { WINDOW_SAMPLES } from './split-long-audio.ts';
import type { TranscribeOptions, TranslateOptions } from './transcribe-options.ts';
import type { FailedTranscript, Segment, Transcript } from './transcript.ts';
import type { WindowFile } from './window-file.ts';

/** Windows decoded together: more gain no time, and results come later. Encoded full windows are 3 MB each. */
const MAX_WINDOWS = 8;

/** Windows that each have a language are shorter: fewer have two. */
const LANGUAGE_WINDOW_SAMPLES = 15 * SAMPLE_RATE;

export interface FileToTranscribe<Audio extends AudioSource = AudioSource> {
  readonly audio: Audio;
  /** The language spoken. Default: `from`, else detected. */
  readonly language?: string | undefined;
}

/** TranscribeOptions, and with `task: 'translate'` those of a translation. */
export interface TranscribeFilesOptions extends TranslateOptions {
  /** Default `transcribe`. */
  readonly task?: Task | undefined;
  /** Keeps the windows of long recordings, and has those of an earlier run. */
  readonly windows?: Pick<WindowFile, 'get' | 'add'> | undefined;
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
        reportSegments(file, plan, options);
        if (!isDone(file)) break;
        const result = resultOf(file, plan);
        if (!('error' in result)) noteLanguages(result, plan);
        yield result;
      }
      const group = nextGroup(round, plan.conditionOnPrevious);
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
  readonly note: TranslateOptions['onNote'];
  readonly clip: TranscribeOptions['clip'];
  readonly channels: TranscribeOptions['channels'];
  readonly kept: TranscribeFilesOptions['windows'];
  readonly fallback: Pick<
    TranslateOptions,
    'compressionRatioThreshold' | 'logProbabilityThreshold' | 'noSpeechThreshold'
  >;
  readonly signal: AbortSignal | undefined;
}

async function planOf(model: WhisperModel, options: TranscribeFilesOptions): Promise<Plan> {
  const { to, task = 'transcribe', words = false, window = 'fit', signal } = options;
  // Checked before long work begins.
  const from = options.from === undefined ? undefined : model.tokens.codeOf(options.from);
  const { languagePerWindow = false } = options;
  if (from !== undefined && languagePerWindow) {
    throw new UserError(
      `language of each window: found the language "${from}" with it; expected one or the other`,
    );
  }
  const prompt = choosePrompt(model, { ...options, task }, options.onNote);
  const { note } = alignmentHeads(model.settings.generationConfig, model.dimensions);
  if (words && note !== undefined) options.onNote?.(note);
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
    languagePerWindow,
    note: options.onNote,
    skipSilence: options.skipSilence ?? false,
    clip: options.clip,
    channels: options.channels,
    kept: options.windows,
    fallback: { compressionRatioThreshold, logProbabilityThreshold, noSpeechThreshold },
    signal,
  };
}

interface BegunFile<Audio extends AudioSource> {
  readonly audio: Audio;
  /** Seconds. */
  readonly duration: number;
  /** One, or one for each channel. */
  readonly tracks: readonly Track<Audio>[];
  /** Segments that follow those of the last call, in order. */
  readonly newSegments: () => Iterable<Segment>;
  readonly samples?: Float32Array;
  /** Reason why it could not be read. */
  readonly error?: string;
  readonly damage?: string | undefined;
}

const isDone = ({ tracks }: BegunFile<AudioSource>): boolean =>
  tracks.every(({ parts }) => parts.every((part) => part.done));

const shareDone = ({ tracks }: BegunFile<AudioSource>): number =>
  tracks.length === 0 ? 1 : sum(tracks, shareOf) / tracks.length;

const shareOf = ({ parts }: Track<AudioSource>): number =>
  parts.length === 0 ? 1 : sum(parts, (part) => part.share) / parts.length;

const sum = <Item>(items: readonly Item[], value: (item: Item) => number): number =>
  items.reduce((total, item) => total + value(item), 0);

function resultOf<Audio extends AudioSource>(
  { audio, tracks, error, damage }: BegunFile<Audio>,
  { clip }: Plan,
): Transcript<Audio> | FailedTranscript<Audio> {
  if (error !== undefined) return { audio, error };
  const transcripts = tracks.map(({ file, parts }) => later(joined(file, parts), clip?.from));
  const transcript = transcripts.length === 1 ? transcripts[0]! : mergedChannels(transcripts);
  return damage === undefined ? transcript : { ...transcript, damage };
}

function reportSegments(file: BegunFile<AudioSource>, plan: Plan, { onSegment }: TranscribeOptions): void {
  if (!onSegment) return;
  const { audio, duration, tracks } = file;
  for (const segment of file.newSegments()) {
    const language = segment.language ?? tracks[(segment.channel ?? 1) - 1]!.file.language!;
    onSegment(laterSegment(segment, plan.clip?.from), { audio, duration, language });
  }
}

/**
 * The first parts that are not done: as many as are decoded in one batch.
 * @param inOrder only the first one of each file
 */
function nextGroup(round: readonly BegunFile<AudioSource>[], inOrder: boolean): PartTranscription[] {
  const group: PartTranscription[] = [];
  let frames = 0;
  for (const { parts } of round.flatMap(({ tracks }) => tracks)) {
    for (const part of parts) {
      if (part.done) continue;
      frames += windowFrames(part.nextWindow().length, part.window);
      if (group.length === MAX_WINDOWS || (group.length > 0 && frames > FRAMES_PER_BATCH)) return group;
      group.push(part);
      if (inOrder) break;
    }
  }
  return group;
}

async function begin<Audio extends AudioSource>(
  model: WhisperModel,
  { audio, language: named }: FileToTranscribe<Audio>,
  plan: Plan,
): Promise<BegunFile<Audio>> {
  const { channels, clip, signal } = plan;
  try {
    const language = named === undefined ? plan.from : model.tokens.codeOf(named);
    let damage: string | undefined;
    const onDamage = (found: string) => {
      damage = found;
      plan.note?.(`${audioName(audio)}: ${found}`);
    };
    const options = { ...clip, signal, onDamage };
    const read =
      channels === 'separate'
        ? await readSourceChannels(audio, options)
        : [await readAudioSource(audio, options)];
    const tracks: Track<Audio>[] = [];
    for (const all of read) tracks.push(await trackOf(model, { audio, language }, all, plan));
    const duration = read[0]!.length / SAMPLE_RATE;
    // Of all channels, for the limits of a round.
    const samples = read.length === 1 ? read[0]! : new Float32Array(sum(read, ({ length }) => length));
    return { audio, duration, tracks, newSegments: segmentsByTime(tracks), samples, damage };
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    return { audio, duration: 0, tracks: [], newSegments: () => [], error: error.message };
  }
}

/** Audio that is transcribed for itself: of a recording, or of a channel. */
interface Track<Audio extends AudioSource> {
  readonly file: FileFacts<Audio>;
  readonly parts: readonly PartTranscription[];
}

async function trackOf<Audio extends AudioSource>(
  model: WhisperModel,
  { audio, language }: FileToTranscribe<Audio>,
  all: Float32Array,
  plan: Plan,
): Promise<Track<Audio>> {
  const { skipSilence, conditionOnPrevious, signal } = plan;
  const found = await speechStretches(all, signal);
  const { samples, originalTime } = skipSilence
    ? cutSilence(all, found)
    : { samples: all, originalTime: (seconds: number) => seconds };
  const stretches = skipSilence ? [{ start: -PADDING, end: samples.length + PADDING }] : found;
  const regions = speechRegions(samples, stretches);
  const long = isLong(regions);
  const duration = all.length / SAMPLE_RATE;
  const longest = plan.languagePerWindow ? LANGUAGE_WINDOW_SAMPLES : WINDOW_SAMPLES;
  const pieces = regions.flatMap((region) => piecesOf(samples, region, stretches, longest));
  const languageWindows = windowsToAsk(pieces);
  const sound = long && plan.kept ? fingerprint(bytesOf(all), 16) : undefined;
  const file = { audio, duration, long, language, sound, languageWindows };
  // With previous text as context, windows must be decoded in order.
  const whole = ({ start, end, speech }: Region) => ({
    samples: samples.subarray(start, end),
    begin: start,
    spoken: speech,
  });
  const chosen = conditionOnPrevious && !plan.languagePerWindow ? regions.map(whole) : pieces;
  const nothing = skipSilence && samples.length === 0;
  const parts: PartTranscription[] = [];
  for (const { samples, begin, spoken } of nothing ? [] : chosen) {
    const part = {
      samples,
      originalTime: (seconds: number) => originalTime(begin / SAMPLE_RATE + seconds),
      speech: (from: number, to: number) => (spoken ? speechSeconds(stretches, begin + from, begin + to) : 0),
      previous: parts.at(-1),
    };
    parts.push(new PartTranscription(model, file, part, { part: parts.length, begin }, plan));
  }
  addKept(file, parts, plan);
  return { file, parts };
}

/** Adds the windows of an earlier run. */
function addKept(file: FileFacts, parts: readonly PartTranscription[], { kept }: Plan): void {
  for (const part of parts) {
    while (!part.done) {
      const key = keyOf(part);
      const found = key && kept?.get(key);
      if (!found) break;
      if (found.detected) {
        file.detected = keptLanguage(found.detected);
        file.language = found.detected.language;
      }
      part.add(found.result);
    }
  }
}

/** Where the next window of a part is kept. */
function keyOf({ file: { audio, sound }, place, windows }: PartTranscription): WindowKey | undefined {
  if (typeof audio !== 'string' || sound === undefined) return undefined;
  return { audio, sound, part: place.part, window: windows };
}

const bytesOf = ({ buffer, byteOffset, byteLength }: Float32Array): Uint8Array =>
  new Uint8Array(buffer, byteOffset, byteLength);

const sameSamples = (a: Float32Array, b: Float32Array): boolean =>
  a.buffer === b.buffer && a.byteOffset === b.byteOffset && a.length === b.length;

function severalLanguages({ audio, language }: FileFacts, languages: readonly string[]): string {
  return (
    `${audioName(audio)}: found ${languages.join(', ')} in one recording; all of it is decoded as ${language}: ` +
    'each window has its own with --language-per-window (languagePerWindow)'
  );
}

/** With a language for each window: which were spoken, and when. */
function noteLanguages({ audio, segments }: Transcript<AudioSource>, { note }: Plan): void {
  const turns: { language: string; start: number }[] = [];
  for (const { language, start } of segments) {
    if (language !== undefined && turns.at(-1)?.language !== language) turns.push({ language, start });
  }
  if (turns.length < 2) return;
  const list = turns.map(({ language, start }) => `${language} from ${start.toFixed(1)} s`);
  note?.(`${audioName(audio)}: found several languages: ${list.join(', ')}`);
}

/** Encodes the next window of each part, detects unknown languages, decodes, and splits the text into segments. */
async function nextWindows(
  model: WhisperModel,
  parts: readonly PartTranscription[],
  plan: Plan,
): Promise<void> {
  const { decoding, temperatures, fallback, kept, signal } = plan;
  const samples = parts.map((part) => part.nextWindow());
  const windows = parts.map(({ window }, i) => ({ samples: samples[i]!, window }));
  const unknown = parts.filter(
    ({ file }, i) => file.language === undefined && parts.findIndex((part) => part.file === file) === i,
  );
  // Windows that tell a file's language and are not decoded now are encoded, too.
  const asked = (plan.languagePerWindow ? [] : unknown).flatMap(({ file, window }) =>
    file.languageWindows.map(({ samples, speech }) => {
      const decoded = windows.findIndex(
        (other) => other.window === window && sameSamples(other.samples, samples),
      );
      return { file, speech, clip: decoded < 0 ? windows.push({ samples, window }) - 1 : decoded };
    }),
  );
  const encoded = await encodeWindows(model, windows, signal);
  const clips = encoded.slice(0, parts.length);
  if (asked.length > 0) {
    const detected = await detectLanguages(
      model,
      asked.map(({ clip }) => encoded[clip]!),
      signal,
    );
    const answers = asked.map(({ file, speech }, i) => ({ file, speech, detected: detected[i]! }));
    for (const { file } of unknown) {
      const own = answers.filter((answer) => answer.file === file);
      file.detected = commonLanguage(own);
      file.language = file.detected.language;
      const languages = certainLanguages(own);
      if (languages.length > 1) plan.note?.(severalLanguages(file, languages));
    }
  }
  if (plan.languagePerWindow) {
    const detected = await detectLanguages(model, clips, signal);
    for (const [i, part] of parts.entries()) part.windowLanguage = detected[i]!;
  }
  const results: WindowResult[] = new Array(parts.length);
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
        languages: members.map((i) => parts[i]!.language),
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
      results[i] = await parts[i]!.result(decoded[k]!.result, decoded[k]!.clip);
    }
  }
  if (kept) {
    const windows = parts.flatMap((part, i): KeptWindow[] => {
      const key = keyOf(part);
      const { detected } = part.file;
      const first = key?.part === 0 && key.window === 0;
      return key
        ? [{ ...key, ...(first && detected && { detected: languageToKeep(detected) }), result: results[i]! }]
        : [];
    });
    if (windows.length > 0) await kept.add(windows);
  }
  for (const [i, part] of parts.entries()) part.add(results[i]!);
}
