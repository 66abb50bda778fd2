/**
 * Transcribes recordings of any length. Whisper's window is 30 s: longer audio is cut in its pauses into pieces, each of which
 * has a window of its own length; or, not batched, split into parts at quiet places, each of which is decoded in full
 * windows. A window begins where the last complete segment of the one before it in its piece or part ended. Windows of
 * different ones and of several recordings are decoded together.
 */

import { abortableResults } from '../abort.ts';
import { type AudioSource, audioName } from '../audio/audio-source.ts';
import { SAMPLE_RATE } from '../audio/sample-rate.ts';
import { UserError } from '../errors.ts';
import { languageProfile } from '../language/profile.ts';
import { type SpansOf, spansByScript } from '../language/spans.ts';
import { type SpeakerTurn, speakerTurns } from '../speakers/turns.ts';
import { type OpenVoiceEmbedder, openVoiceEmbedder } from '../speakers/voice-embedder.ts';
import { alignmentHeads } from '../whisper/alignment-heads.ts';
import { windowFrames } from '../whisper/encoded-clip.ts';
import type { WhisperModel } from '../whisper/model.ts';
import type { Task } from '../whisper/tokens.ts';
import { FRAMES_PER_BATCH } from './decode-clips.ts';
import { chosenDecoding } from './decoding-choice.ts';
import { certainLanguages, commonLanguage, detectLanguages } from './detect-language.ts';
import { encodeWindows, type WindowToEncode } from './encode-windows.ts';
import { decodeWithRetry } from './full-window-retry.ts';
import { type KeptWindow, languageToKeep } from './kept-window.ts';
import { later, laterSegment, mergedChannels, segmentsByTime } from './merge-channels.ts';
import { type FileFacts, joined, type PartTranscription, type WindowResult } from './part-transcription.ts';
import { choosePrompt, targetOf } from './prompt-choice.ts';
import { type ScannedTrack, scanRecording } from './recording.ts';
import { rounds } from './rounds.ts';
import { withSpeakers } from './speakers.ts';
import { keyOf, Track, type TrackOptions } from './track.ts';
import type { TranscribeOptions, TranslateOptions } from './transcribe-options.ts';
import type { FailedTranscript, Segment, Transcript } from './transcript.ts';
import type { WindowFile } from './window-file.ts';

/** Windows decoded together: more gain no time, and results come later. Encoded full windows are 3 MB each. */
const MAX_WINDOWS = 8;
/** Pieces that are encoded together: of many, those of similar length are decoded at once. They are 1 MB each, at most 3. */
const MOST_PIECES = { windows: 32, frames: 32_000 };

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
  trained: WhisperModel,
  list: Iterable<FileToTranscribe<Audio>> | AsyncIterable<FileToTranscribe<Audio>>,
  options: TranscribeFilesOptions,
): AsyncGenerator<Transcript<Audio> | FailedTranscript<Audio>, void, undefined> {
  const plan = await planOf(trained, options);
  // Where nothing is translated English first, the model before that training does as it did.
  const model = plan.separator === undefined ? await trained.englishHalf() : trained;
  try {
    yield* inRounds(model, list, plan, options);
  } finally {
    await plan.speakers?.embedder.close();
  }
}

async function* inRounds<Audio extends AudioSource>(
  model: WhisperModel,
  list: Iterable<FileToTranscribe<Audio>> | AsyncIterable<FileToTranscribe<Audio>>,
  plan: Plan,
  options: TranscribeFilesOptions,
): AsyncGenerator<Transcript<Audio> | FailedTranscript<Audio>, void, undefined> {
  let files = 0;
  let seconds = 0;
  for await (const round of rounds(list, (file) => begin(model, file, plan))) {
    const total = seconds + sum(round, ({ duration }) => duration);
    let yielded = 0;
    try {
      for (;;) {
        plan.signal?.throwIfAborted();
        const group = await nextGroup(round, plan);
        const done = files + sum(round, shareDone);
        options.onProgress?.(done, {
          done: seconds + sum(round, (file) => shareDone(file) * file.duration),
          total,
        });
        for (; yielded < round.length; yielded++) {
          const file = round[yielded]!;
          reportSegments(model, file, plan, options);
          if (!isDone(file)) break;
          const result = resultOf(model, file, plan);
          if (!('error' in result)) noteLanguages(result, plan);
          yield result;
        }
        if (group.length === 0) break;
        await nextWindows(model, group, plan);
      }
    } finally {
      for (const { tracks } of round) for (const track of tracks) await track.close();
    }
    files += round.length;
    seconds = total;
  }
}

/** Options with defaults filled in and named files read. */
interface Plan extends TrackOptions, Awaited<ReturnType<typeof chosenDecoding>> {
  /** The language spoken, if common to all recordings. */
  readonly from: string | undefined;
  /** Whether a translation is in a language that has spaces between sentences. */
  readonly spaced: boolean;
  readonly note: TranslateOptions['onNote'];
  readonly onRead: TranslateOptions['onRead'];
  readonly clip: TranscribeOptions['clip'];
  readonly speakers: { readonly embedder: OpenVoiceEmbedder; readonly count: number | undefined } | undefined;
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
  const { languagePerWindow = false, conditionOnPrevious = false } = options;
  const { batched = !conditionOnPrevious && window === 'fit' } = options;
  if (from !== undefined && languagePerWindow) {
    throw new UserError(
      `language of each window: found the language "${from}" with it; expected one or the other`,
    );
  }
  if (batched && conditionOnPrevious) {
    throw new UserError(
      'batched: found condition-on-previous with it; expected one or the other: pieces are decoded at once, ' +
        'before the text of those before them is known',
    );
  }
  const { of: prompt, separator } = choosePrompt(model, { ...options, task }, options.onNote);
  const spansOf = task === 'transcribe' ? languageSpans(options) : undefined;
  const { note } = alignmentHeads(model.settings.generationConfig, model.dimensions);
  if (words && note !== undefined) options.onNote?.(note);
  const written = task === 'translate' ? targetOf(model, to) : (from ?? 'en');
  const { compressionRatioThreshold, logProbabilityThreshold, noSpeechThreshold, speakers } = options;
  checkSpeakers(options);
  return {
    ...(await chosenDecoding(model, options, written)),
    from,
    prompt,
    separator,
    window,
    words,
    timestamps: options.timestamps ?? (words || Boolean(speakers) || undefined),
    conditionOnPrevious,
    batched,
    languagePerWindow,
    spansOf,
    spaced: task === 'translate' && languageProfile(written).spaces,
    note: options.onNote,
    onRead: options.onRead,
    skipSilence: options.skipSilence ?? false,
    clip: options.clip,
    channels: options.channels,
    kept: options.windows,
    speakers: speakers
      ? {
          embedder: await openVoiceEmbedder(model, options.speakerModel),
          count: speakers === true ? undefined : speakers,
        }
      : undefined,
    fallback: { compressionRatioThreshold, logProbabilityThreshold, noSpeechThreshold },
    signal,
  };
}

/** Spans of code-switched languages, where their scripts tell them. */
function languageSpans({ codeSwitched, onNote }: TranscribeFilesOptions): SpansOf | undefined {
  const spansOf = codeSwitched && spansByScript(codeSwitched);
  if (codeSwitched && !spansOf) {
    onNote?.(
      `code-switched ${codeSwitched.join(', ')}: one script; segments do not tell which part is in which`,
    );
  }
  return spansOf;
}

/** @throws UserError where options of speakers contradict each other */
function checkSpeakers({ speakers, speakerModel, channels }: TranscribeFilesOptions): void {
  if (speakerModel !== undefined && !speakers)
    throw new UserError(`speaker model: found ${speakerModel} without speakers; expected both`);
  if (typeof speakers !== 'number') return;
  if (!(Number.isInteger(speakers) && speakers > 0))
    throw new UserError(`speakers: found ${speakers}; expected how many speak, from 1, or none to find out`);
  if (channels === 'separate')
    throw new UserError(
      `speakers: found their number, ${speakers}, with separate channels; expected no number: it is found in each channel`,
    );
}

interface BegunFile<Audio extends AudioSource> {
  readonly audio: Audio;
  /** Seconds. */
  readonly duration: number;
  /** One, or one for each channel; none where it could not be read. */
  tracks: readonly Track<Audio>[];
  /** Who speaks when in each track, where that is asked. */
  readonly turns: readonly (readonly SpeakerTurn[])[] | undefined;
  /** Segments that follow those of the last call, in order. */
  readonly newSegments: () => Iterable<Segment>;
  /** Samples of all tracks together. */
  readonly length: number;
  /** Reason why it could not be read. */
  error?: string;
  readonly damage?: string | undefined;
}

const isDone = ({ tracks }: BegunFile<AudioSource>): boolean =>
  tracks.every(({ parts, planned }) => planned && parts.every((part) => part.done));

const shareDone = ({ tracks }: BegunFile<AudioSource>): number =>
  tracks.length === 0 ? 1 : sum(tracks, shareOf) / tracks.length;

const shareOf = ({ parts, planned, length }: Track<AudioSource>): number =>
  planned && parts.every((part) => part.done)
    ? 1
    : sum(parts, (part) => part.samplesDone) / Math.max(1, length);

const sum = <Item>(items: readonly Item[], value: (item: Item) => number): number =>
  items.reduce((total, item) => total + value(item), 0);

function resultOf<Audio extends AudioSource>(
  model: WhisperModel,
  { audio, tracks, turns, error, damage }: BegunFile<Audio>,
  { clip, spaced }: Plan,
): Transcript<Audio> | FailedTranscript<Audio> {
  if (error !== undefined) return { audio, error };
  const transcripts = tracks.map(({ file, parts }, i) => {
    const whole = joined(file, parts, spaced);
    const own = turns?.[i];
    const segments = whole.segments.flatMap((segment) => withSpeakers(segment, own ?? [], model.tokens));
    return later(own ? { ...whole, segments, turns: own } : whole, clip?.from);
  });
  const transcript = transcripts.length === 1 ? transcripts[0]! : mergedChannels(transcripts);
  return damage === undefined ? transcript : { ...transcript, damage };
}

function reportSegments(
  { tokens }: WhisperModel,
  file: BegunFile<AudioSource>,
  plan: Plan,
  { onSegment }: TranscribeOptions,
): void {
  if (!onSegment) return;
  const { audio, duration, tracks, turns } = file;
  for (const segment of file.newSegments()) {
    const track = (segment.channel ?? 1) - 1;
    const language = segment.language ?? tracks[track]!.file.language!;
    for (const part of withSpeakers(segment, turns?.[track] ?? [], tokens))
      onSegment(laterSegment(part, plan.clip?.from), { audio, duration, language });
  }
}

/**
 * The first parts that are not done: as many as are decoded in one batch.
 * @param inOrder only the first one of each file
 */
async function nextGroup(
  round: readonly BegunFile<AudioSource>[],
  { conditionOnPrevious: inOrder, batched }: Plan,
): Promise<NextWindow[]> {
  const most = batched ? MOST_PIECES : { windows: MAX_WINDOWS, frames: FRAMES_PER_BATCH };
  const group: NextWindow[] = [];
  let frames = 0;
  for (const file of round) {
    try {
      for (const track of file.tracks) {
        for await (const part of track.unfinished()) {
          frames += windowFrames(part.nextLength, part.window);
          if (group.length === most.windows || (group.length > 0 && frames > most.frames)) return group;
          group.push({ part, samples: await part.nextWindow() });
          if (inOrder) break;
        }
      }
    } catch (error) {
      // A long recording is read again: it may have changed, or be gone.
      if (!(error instanceof UserError)) throw error;
      file.error = error.message;
      for (const track of file.tracks) await track.close();
      file.tracks = [];
    }
  }
  return group;
}

interface NextWindow {
  readonly part: PartTranscription;
  readonly samples: Float32Array;
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
    const fingerprints = plan.kept !== undefined && typeof audio === 'string';
    const onRead = plan.onRead && ((seconds: number) => plan.onRead!(audio, seconds, 'reading'));
    const events = { signal, onDamage, onRead };
    const scanned = await scanRecording(audio, { channels, clip, fingerprints, ...events });
    const turns = plan.speakers && (await turnsOf(audio, scanned, plan));
    const tracks = scanned.map((track) => new Track(model, { audio, language }, track, plan));
    const duration = scanned[0]!.length / SAMPLE_RATE;
    const length = sum(scanned, ({ length }) => length);
    return { audio, duration, tracks, turns, newSegments: segmentsByTime(tracks), length, damage };
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    const nothing = { duration: 0, tracks: [], turns: undefined, newSegments: () => [], length: 0 };
    return { audio, ...nothing, error: error.message };
  }
}

/** Who speaks when in each track; the speakers of a channel are numbered after those of the channels before it. */
async function turnsOf(
  audio: AudioSource,
  tracks: readonly ScannedTrack[],
  { speakers, signal, onRead }: Plan,
): Promise<SpeakerTurn[][]> {
  const { embedder, count } = speakers!;
  const all: SpeakerTurn[][] = [];
  let before = 0;
  for (const { open, runs } of tracks) {
    const samples = open();
    try {
      const onProgress = onRead && ((seconds: number) => onRead(audio, seconds, 'speakers'));
      const turns = await speakerTurns(samples, runs, embedder, { count, signal, onProgress });
      all.push(turns.map((turn) => ({ ...turn, speaker: before + turn.speaker })));
      before += turns.reduce((most, { speaker }) => Math.max(most, speaker), 0);
    } finally {
      await samples.close();
    }
  }
  return all;
}

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
async function nextWindows(model: WhisperModel, group: readonly NextWindow[], plan: Plan): Promise<void> {
  const parts = group.map(({ part }) => part);
  const samples = group.map(({ samples }) => samples);
  const { decoding, temperatures, fallback, separator, kept, signal } = plan;
  const spoken = (part: (typeof parts)[number]): string | undefined =>
    decoding.experts === false ? undefined : part.language;
  const windows: WindowToEncode[] = parts.map((part, i) => ({
    samples: samples[i]!,
    window: part.window,
    // The shared encoder detects languages.
    language: plan.languagePerWindow ? undefined : spoken(part),
  }));
  const unknown = parts.filter(
    ({ file }, i) => file.language === undefined && parts.findIndex((part) => part.file === file) === i,
  );
  // Windows that tell a file's language and are not decoded now are encoded, too.
  const asked: { file: FileFacts; speech: number; clip: number }[] = [];
  for (const { file, window } of plan.languagePerWindow ? [] : unknown) {
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
