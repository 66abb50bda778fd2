/** A recording whose transcription is in progress: its tracks, and the segments and the result once they are there. */

import { type AudioSource, audioName } from '../audio/audio-source.ts';
import { SAMPLE_RATE } from '../audio/sample-rate.ts';
import { UserError } from '../errors.ts';
import { type SpeakerTurn, speakerTurns } from '../speakers/turns.ts';
import { later, laterSegment, mergedChannels, segmentsByTime } from './merge-channels.ts';
import { joined, type PartTranscription } from './part-transcription.ts';
import type { Plan } from './plan.ts';
import { type ScannedTrack, scanRecording } from './recording.ts';
import { withSpeakers } from './speakers.ts';
import { Track } from './track.ts';
import type { TranscribeOptions } from './transcribe-options.ts';
import type { FailedTranscript, Segment, Transcript } from './transcript.ts';

export interface FileToTranscribe<Audio extends AudioSource = AudioSource> {
  readonly audio: Audio;
  /** The language spoken. Default: `from`, else detected. */
  readonly language?: string | undefined;
}

export class BegunRecording<Audio extends AudioSource = AudioSource> {
  /** Samples of all tracks together. */
  readonly length: number;
  /** Reason why it could not be read. */
  #error: string | undefined;
  readonly #newSegments: () => Iterable<Segment>;

  private constructor(
    readonly audio: Audio,
    readonly plan: Plan,
    /** Seconds. */
    readonly duration: number,
    /** One, or one for each channel; none where it could not be read. */
    private tracks: readonly Track<Audio>[],
    /** Who speaks when in each track, where that is asked. */
    private readonly turns: readonly (readonly SpeakerTurn[])[] | undefined,
    private readonly damage: string | undefined,
  ) {
    this.length = sum(tracks, ({ length }) => length);
    this.#newSegments = segmentsByTime(tracks);
  }

  /** Reads a recording for the first time. One that cannot be read has an error for a result. */
  static async begin<Audio extends AudioSource>(
    { audio, language: named }: FileToTranscribe<Audio>,
    plan: Plan,
  ): Promise<BegunRecording<Audio>> {
    const { model, channels, clip, signal } = plan;
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
      return new BegunRecording(audio, plan, scanned[0]!.length / SAMPLE_RATE, tracks, turns, damage);
    } catch (error) {
      if (!(error instanceof UserError)) throw error;
      const unread = new BegunRecording(audio, plan, 0, [], undefined, undefined);
      unread.#error = error.message;
      return unread;
    }
  }

  /**
   * The parts that are not done, in order; none more where reading it fails. With the previous text as context only the
   * first one of each track.
   */
  async *unfinished(): AsyncGenerator<PartTranscription, void, undefined> {
    try {
      for (const track of this.tracks) {
        for await (const part of track.unfinished()) {
          yield part;
          if (this.plan.conditionOnPrevious) break;
        }
      }
    } catch (error) {
      await this.#failed(error);
    }
  }

  /** Samples of a part's next window; undefined where they cannot be read. */
  async samplesOf(part: PartTranscription): Promise<Float32Array | undefined> {
    try {
      return await part.nextWindow();
    } catch (error) {
      await this.#failed(error);
      return undefined;
    }
  }

  /** A long recording is read again: it may have changed, or be gone. */
  async #failed(error: unknown): Promise<void> {
    if (!(error instanceof UserError)) throw error;
    this.#error = error.message;
    await this.close();
    this.tracks = [];
  }

  get done(): boolean {
    return this.tracks.every(isDone);
  }

  /** From 0 to 1. */
  get shareDone(): number {
    const shareOf = (track: Track<Audio>): number =>
      isDone(track) ? 1 : sum(track.parts, (part) => part.samplesDone) / Math.max(1, track.length);
    return this.tracks.length === 0 ? 1 : sum(this.tracks, shareOf) / this.tracks.length;
  }

  /** Reports segments that follow those of the last call, in order. */
  reportSegments(onSegment: TranscribeOptions['onSegment']): void {
    if (!onSegment) return;
    const { audio, duration, plan } = this;
    for (const segment of this.#newSegments()) {
      const track = (segment.channel ?? 1) - 1;
      const language = segment.language ?? this.tracks[track]!.file.language!;
      for (const part of withSpeakers(segment, this.turns?.[track] ?? [], plan.model.tokens))
        onSegment(laterSegment(part, plan.clip?.from), { audio, duration, language });
    }
  }

  /** Once it is done. */
  result(): Transcript<Audio> | FailedTranscript<Audio> {
    const { audio, plan } = this;
    if (this.#error !== undefined) return { audio, error: this.#error };
    const transcripts = this.tracks.map(({ file, parts }, i) => {
      const whole = joined(file, parts, plan.spaced);
      const own = this.turns?.[i];
      const segments = whole.segments.flatMap((segment) =>
        withSpeakers(segment, own ?? [], plan.model.tokens),
      );
      return later(own ? { ...whole, segments, turns: own } : whole, plan.clip?.from);
    });
    const transcript = transcripts.length === 1 ? transcripts[0]! : mergedChannels(transcripts);
    noteLanguages(transcript, plan);
    return this.damage === undefined ? transcript : { ...transcript, damage: this.damage };
  }

  /** Closes the source. */
  async close(): Promise<void> {
    for (const track of this.tracks) await track.close();
  }
}

const isDone = ({ parts, planned }: Track<AudioSource>): boolean =>
  planned && parts.every((part) => part.done);

const sum = <Item>(items: readonly Item[], value: (item: Item) => number): number =>
  items.reduce((total, item) => total + value(item), 0);

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
