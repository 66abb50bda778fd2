/** A round of clips, decoded by one model with several prompts: in this process or in a worker, with the same result. */
import type { DamageReport, Recording } from '../data/recording.ts';
import { type ChosenDecoding, chosenDecoding } from '../decoding/decoding-choice.ts';
import { decodeWithRetry } from '../decoding/full-window-retry.ts';
import { type CacheOptions, EncoderOutputs } from '../features/encoder-outputs.ts';
import { type EncodedClip, FULL_WINDOW_POSITIONS, type WindowMode } from '../whisper/encoded-clip.ts';
import type { WhisperModel } from '../whisper/model.ts';
import type { EvaluatedDecoding } from './decoding.ts';
import type { PredictedText } from './predictions.ts';

/** Clips that are encoded, decoded and written together: an interruption loses at most this many. */
export const CLIPS_PER_ROUND = 128;

/** A prompt of a test, plain data. */
export interface RoundPrompt {
  /** A test of forgetting, decoded as plain Whisper. */
  readonly plain: boolean;
  /** English first: the token before the text in the target language. */
  readonly separator: number | undefined;
  /** Tokens by the language of the clip. */
  readonly ids: Readonly<Record<string, readonly number[]>>;
}

export interface RoundClip {
  readonly audio: string;
  readonly language: string;
  /** Places of the prompts that it is decoded with. */
  readonly prompts: readonly number[];
}

/** Decoding options, and the language of the output. */
export interface WrittenDecoding {
  readonly choice: EvaluatedDecoding;
  readonly written: string;
}

/** All that the predictions of a round depend on beside model and clips; plain data. */
export interface RoundOptions extends CacheOptions {
  readonly window: WindowMode;
  readonly decoding: WrittenDecoding;
  /** Of the tests of forgetting. */
  readonly plainDecoding: WrittenDecoding;
  readonly prompts: readonly RoundPrompt[];
}

/** A clip that was read, and what it was decoded to, by the place of the prompt. */
export interface PredictedClip {
  readonly texts: Readonly<Record<number, PredictedText>>;
  /** Whether it is 30 s long or longer. */
  readonly cut: boolean;
}

/** A round whose clips are read and encoded. */
export interface ReadRound {
  /** Why clips could not be read, by their place. */
  readonly errors: ReadonlyMap<number, string>;
  /** Places of clips that are 30 s long or longer. */
  readonly cut: ReadonlySet<number>;
  /** Texts by the place of the clip, of those that could be read and are decoded with the prompt. */
  readonly decode: (
    prompt: number,
    onProgress?: (done: number) => void,
  ) => Promise<Map<number, PredictedText>>;
}

export class RoundPredictor {
  #full: Promise<EncoderOutputs> | undefined;

  private constructor(
    private readonly model: WhisperModel,
    private readonly options: RoundOptions & {
      readonly onNote: (note: string) => void;
      readonly onDamage: DamageReport['add'];
    },
    private readonly outputs: EncoderOutputs,
    private readonly own: ChosenDecoding | undefined,
    private readonly plain: ChosenDecoding | undefined,
  ) {}

  /** Reads language models and vocabularies once: they are large. @throws UserError where one cannot be used */
  static async open(model: WhisperModel, options: RoundPredictor['options']): Promise<RoundPredictor> {
    const chosen = async (plain: boolean, { choice, written }: WrittenDecoding) =>
      options.prompts.some((prompt) => prompt.plain === plain)
        ? chosenDecoding(model, choice, written)
        : undefined;
    return new RoundPredictor(
      model,
      options,
      await EncoderOutputs.open(model, options),
      await chosen(false, options.decoding),
      await chosen(true, options.plainDecoding),
    );
  }

  async read(clips: readonly RoundClip[], signal?: AbortSignal): Promise<ReadRound> {
    const { experts = true } = (this.own ?? this.plain)!.decoding;
    const recordingOf = ({ audio, language }: RoundClip): Recording => ({
      files: [audio],
      language: experts ? language : undefined,
    });
    const failures = new Map<string, string>();
    const encoded = await this.outputs.read(clips.map(recordingOf), {
      signal,
      onError: (audio, error) => failures.set(audio, error.message),
    });
    const places = [...clips.keys()];
    return {
      errors: new Map(places.flatMap((i) => (encoded[i] ? [] : [[i, failures.get(clips[i]!.audio)!]]))),
      cut: new Set(places.filter((i) => (encoded[i]?.length ?? 0) >= FULL_WINDOW_POSITIONS)),
      decode: async (place, onProgress) => {
        const prompt = this.options.prompts[place]!;
        const members = places.filter((i) => encoded[i] && clips[i]!.prompts.includes(place));
        const { decoding, temperatures } = (prompt.plain ? this.plain : this.own)!;
        // As `translate` and `transcribe` decode, so that scores hold for a user's texts.
        const decoded = await decodeWithRetry(
          prompt.separator === undefined ? await this.model.englishHalf() : this.model,
          members.map((i) => encoded[i]!),
          {
            ...decoding,
            temperatures,
            prompts: members.map((i) => prompt.ids[clips[i]!.language]!),
            separator: prompt.separator,
            languages: members.map((i) => clips[i]!.language),
            signal,
            onProgress,
          },
          async (again) => {
            this.#full ??= EncoderOutputs.open(this.model, { ...this.options, window: 'full' });
            return (await (
              await this.#full
            ).read(again.map((k) => recordingOf(clips[members[k]!]!)))) as EncodedClip[];
          },
        );
        return new Map(
          decoded.map(({ result }, k) => {
            const { text, english, silent, averageLogProbability } = result;
            return [
              members[k]!,
              {
                // No speech: no text.
                hypothesis: silent ? '' : text,
                english: silent && english !== undefined ? '' : english,
                averageLogProbability,
              },
            ];
          }),
        );
      },
    };
  }
}
