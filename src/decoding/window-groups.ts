/**
 * Groups of windows that are decoded together, of one recording or of several: the next window of each part. Their options of
 * decoding are the same; prompts, languages, and what is made of the texts may differ.
 */

import { audioName } from '../audio/audio-source.ts';
import { placesBy } from '../lists.ts';
import { windowFrames } from '../whisper/encoded-clip.ts';
import type { BegunRecording } from './begun-recording.ts';
import { certainLanguages, commonLanguage, detectLanguages } from './detect-language.ts';
import { encodeWindows, type WindowToEncode } from './encode-windows.ts';
import { decodeWithRetry } from './full-window-retry.ts';
import { type KeptWindow, languageToKeep } from './kept-window.ts';
import type { FileFacts, PartTranscription, WindowResult } from './part-transcription.ts';
import { keyOf } from './track.ts';

/** The next window of a part. */
export interface NextWindow {
  readonly recording: BegunRecording;
  readonly part: PartTranscription;
  readonly samples: Float32Array;
}

/** What a group may hold; its first window it has whatever its size. */
export interface GroupLimits {
  readonly windows: number;
  /** Encoder positions, 50 a second. */
  readonly frames: number;
}

/** A part whose turn it is. */
export interface Turn {
  readonly recording: BegunRecording;
  readonly part: PartTranscription;
}

/** Encoder positions of the next window of a part. */
export const framesOf = (part: PartTranscription): number => windowFrames(part.nextLength, part.window);

/** The windows that come first, as many as fit. */
export async function nextGroup(turns: AsyncIterable<Turn>, limits: GroupLimits): Promise<NextWindow[]> {
  const group: NextWindow[] = [];
  let frames = 0;
  for await (const { recording, part } of turns) {
    frames += framesOf(part);
    if (group.length === limits.windows || (group.length > 0 && frames > limits.frames)) break;
    const samples = await recording.samplesOf(part);
    if (samples) group.push({ recording, part, samples });
  }
  return group;
}

/**
 * Encodes the next window of each part, detects unknown languages, decodes, and splits the text into segments.
 * @param group windows that may share a batch
 */
export async function decodeGroup(group: readonly NextWindow[]): Promise<void> {
  const parts = group.map(({ part }) => part);
  const samples = group.map(({ samples }) => samples);
  const plans = group.map(({ recording }) => recording.plan);
  const { model, decoding, temperatures, fallback, separator } = plans[0]!;
  const signal = signalOfAll(plans.map(({ signal }) => signal));
  const spoken = (part: (typeof parts)[number]): string | undefined =>
    decoding.experts === false ? undefined : part.language;
  const windows: WindowToEncode[] = parts.map((part, i) => ({
    samples: samples[i]!,
    window: part.window,
    // The shared encoder detects languages.
    language: plans[i]!.languagePerWindow ? undefined : spoken(part),
  }));
  const changing = [...parts.keys()].filter((i) => plans[i]!.languagePerWindow);
  const unknown = [...parts.keys()].filter((i) => {
    const { file } = parts[i]!;
    return (
      !plans[i]!.languagePerWindow &&
      file.language === undefined &&
      parts.findIndex((part) => part.file === file) === i
    );
  });
  // Windows that tell a file's language and are not decoded now are encoded, too.
  const asked: { file: FileFacts; speech: number; clip: number }[] = [];
  for (const { file, window } of unknown.map((i) => parts[i]!)) {
    for (const { samples, begin, speech } of await file.languageWindows()) {
      const decoded = parts.findIndex(
        (part) => part.file === file && part.position === begin && part.nextLength === samples.length,
      );
      asked.push({ file, speech, clip: decoded < 0 ? windows.push({ samples, window }) - 1 : decoded });
    }
  }
  const encoded = await encodeWindows(model, windows, signal);
  const clips = encoded.slice(0, parts.length);
  if (asked.length > 0) {
    const detected = await detectLanguages(
      model,
      asked.map(({ clip }) => encoded[clip]!),
      signal,
    );
    const answers = asked.map(({ file, speech }, i) => ({ file, speech, detected: detected[i]! }));
    for (const i of unknown) {
      const { file } = parts[i]!;
      const own = answers.filter((answer) => answer.file === file);
      file.detected = commonLanguage(own);
      file.language = file.detected.language;
      const languages = certainLanguages(own);
      if (languages.length > 1) plans[i]!.note?.(severalLanguages(file, languages));
    }
  }
  if (changing.length > 0) {
    const detected = await detectLanguages(
      model,
      changing.map((i) => clips[i]!),
      signal,
    );
    for (const [k, i] of changing.entries()) parts[i]!.windowLanguage = detected[k]!;
  }
  const ofExperts = [...parts.keys()].filter(
    (i) => windows[i]!.language === undefined && model.encoderExperts(spoken(parts[i]!)),
  );
  const again = ofExperts.map((i) => ({ ...windows[i]!, language: spoken(parts[i]!) }));
  const byExperts = await encodeWindows(model, again, signal);
  for (const [k, i] of ofExperts.entries()) clips[i] = byExperts[k]!;
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
        separator,
        languages: members.map((i) => parts[i]!.language),
        positions: members.map((i) => parts[i]!.position),
        withTimestamps,
      },
      (some) =>
        model.encode(
          some.map((k) => samples[members[k]!]!),
          'full',
          { signal, languages: some.map((k) => spoken(parts[members[k]!]!)) },
        ),
    );
    for (const [k, i] of members.entries()) {
      signal?.throwIfAborted();
      results[i] = await parts[i]!.result(decoded[k]!.result, decoded[k]!.clip);
    }
  }
  for (const [kept, members] of placesBy(plans, ({ kept }) => kept)) {
    const windows = members.flatMap((i): KeptWindow[] => {
      const part = parts[i]!;
      const key = keyOf(part);
      const { detected } = part.file;
      const first = key?.part === 0 && key.window === 0;
      return key
        ? [{ ...key, ...(first && detected && { detected: languageToKeep(detected) }), result: results[i]! }]
        : [];
    });
    if (windows.length > 0) await kept?.add(windows);
  }
  for (const [i, part] of parts.entries()) part.add(results[i]!);
}

/** Aborts once all of these have; never where one of them cannot. */
function signalOfAll(signals: readonly (AbortSignal | undefined)[]): AbortSignal | undefined {
  const [first, ...others] = new Set(signals);
  if (others.length === 0 || !signals.every((signal) => signal))
    return others.length === 0 ? first : undefined;
  const all = new AbortController();
  const check = () => {
    if (signals.every((signal) => signal!.aborted)) all.abort(first!.reason);
  };
  for (const signal of signals) signal!.addEventListener('abort', check, { signal: all.signal });
  check();
  return all.signal;
}

function severalLanguages({ audio, language }: FileFacts, languages: readonly string[]): string {
  return (
    `${audioName(audio)}: found ${languages.join(', ')} in one recording; all of it is decoded as ${language}: ` +
    'each window has its own with --language-per-window (languagePerWindow)'
  );
}
