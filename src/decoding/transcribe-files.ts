/**
 * Transcribes recordings of any length. Whisper's window is 30 s: longer audio is cut in its pauses into pieces, each of which
 * has a window of its own length; or, not batched, split into parts at quiet places, each of which is decoded in full
 * windows. A window begins where the last complete segment of the one before it in its piece or part ended. Windows of
 * different ones and of several recordings are decoded together.
 */

import { abortableResults } from '../abort.ts';
import type { AudioSource } from '../audio/audio-source.ts';
import type { WhisperModel } from '../whisper/model.ts';
import { BegunRecording, type FileToTranscribe } from './begun-recording.ts';
import { FRAMES_PER_BATCH } from './decode-clips.ts';
import { type Plan, planOf, type TranscribeFilesOptions } from './plan.ts';
import { rounds } from './rounds.ts';
import type { FailedTranscript, Transcript } from './transcript.ts';
import { decodeGroup, type GroupLimits, nextGroup, type Turn } from './window-groups.ts';

export type { FileToTranscribe } from './begun-recording.ts';
export type { TranscribeFilesOptions } from './plan.ts';

/** Windows decoded together: more gain no time, and results come later. Encoded full windows are 3 MB each. */
const MOST_WINDOWS: GroupLimits = { windows: 8, frames: FRAMES_PER_BATCH };
/** Pieces that are encoded together: of many, those of similar length are decoded at once. They are 1 MB each, at most 3. */
const MOST_PIECES: GroupLimits = { windows: 32, frames: 32_000 };

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
  try {
    yield* inRounds(list, plan, options);
  } finally {
    await plan.speakers?.embedder.close();
  }
}

async function* inRounds<Audio extends AudioSource>(
  list: Iterable<FileToTranscribe<Audio>> | AsyncIterable<FileToTranscribe<Audio>>,
  plan: Plan,
  options: TranscribeFilesOptions,
): AsyncGenerator<Transcript<Audio> | FailedTranscript<Audio>, void, undefined> {
  const limits = plan.batched ? MOST_PIECES : MOST_WINDOWS;
  let files = 0;
  let seconds = 0;
  for await (const round of rounds(list, (file) => BegunRecording.begin(file, plan))) {
    const total = seconds + sum(round, ({ duration }) => duration);
    let yielded = 0;
    try {
      for (;;) {
        plan.signal?.throwIfAborted();
        const group = await nextGroup(inOrder(round), limits);
        const done = files + sum(round, ({ shareDone }) => shareDone);
        options.onProgress?.(done, {
          done: seconds + sum(round, ({ shareDone, duration }) => shareDone * duration),
          total,
        });
        for (; yielded < round.length; yielded++) {
          const recording = round[yielded]!;
          recording.reportSegments(options.onSegment);
          if (!recording.done) break;
          yield recording.result();
        }
        if (group.length === 0) break;
        await decodeGroup(group);
      }
    } finally {
      for (const recording of round) await recording.close();
    }
    files += round.length;
    seconds = total;
  }
}

/** All parts of the first recording, then those of the next. */
async function* inOrder(round: readonly BegunRecording[]): AsyncGenerator<Turn, void, undefined> {
  for (const recording of round) {
    for await (const part of recording.unfinished()) yield { recording, part };
  }
}

const sum = <Item>(items: readonly Item[], value: (item: Item) => number): number =>
  items.reduce((total, item) => total + value(item), 0);
