/** The state of a batch of texts that are being decoded: the audio of some clips, and one or more texts of each. */

import { type DeviceTensor, float32, type HostTensor, int64 } from '../backend/runtime.ts';
import { largest } from '../extremes.ts';
import { audioBatch } from '../whisper/audio-batch.ts';
import { causalBias } from '../whisper/causal-bias.ts';
import type { EncodedClip } from '../whisper/encoded-clip.ts';
import type { WhisperModel } from '../whisper/model.ts';
import type { SilenceTails } from '../whisper/silence-tail.ts';
import type { TargetVocabulary } from '../whisper/target-vocabulary.ts';

export interface SessionOptions {
  /** Silence tails after clips in fitted windows; `none`: without. Default: the model's. */
  readonly silenceTails?: SilenceTails | 'none';
  readonly withTimestamps?: boolean;
  readonly vocabulary?: TargetVocabulary;
  /** The language spoken in all clips, whose experts decode where the model has them. */
  readonly language?: string | undefined;
}

/** Suppressed tokens. */
export interface Suppression {
  /** Added to the logits, [output tokens]. */
  readonly bias: Float32Array;
  /** Their places among the output tokens. */
  readonly places: readonly number[];
}

/** Options of a step, see `decodingStepGraph`. */
export interface StepRequest {
  /** Indices of the texts·tokens positions to predict from. */
  readonly rows: readonly number[];
  readonly suppression: Suppression;
  /** Number of candidates for each row. */
  readonly count: number;
  /** Where timestamps are written: added to the logits, [rows, 1], [rows, 1], [rows, timestamps]. */
  readonly biases?: Readonly<Record<'wordBias' | 'otherBias' | 'timestampBias', HostTensor>>;
}

export type StepOutput = 'candidates' | 'logProbabilities' | 'allowed' | 'noSpeech' | 'logits';

/** Audio memory and token cache stay in the computing thread. */
export class DecodingSession {
  #past: Record<string, DeviceTensor | HostTensor> = {};
  /** Number of tokens of each text so far, padding included. */
  #length = 0;
  /** Number of leading padding positions of each text, which align its prompt with the longest. */
  #padding: readonly number[] = [];

  private constructor(
    private readonly model: WhisperModel,
    private memory: Readonly<Record<string, DeviceTensor>>,
    private frameBias: HostTensor,
    private readonly options: SessionOptions,
  ) {}

  static async start(
    model: WhisperModel,
    clips: readonly EncodedClip[],
    options: SessionOptions = {},
  ): Promise<DecodingSession> {
    const { silenceTails } = options;
    const tails =
      silenceTails === 'none' ? undefined : (silenceTails ?? (await model.silenceTailsFor(clips)));
    const { frames, frameBias } = audioBatch(clips, tails);
    const program = await model.audioMemoryProgram();
    const { kept } = await model.runtime.run(program, { frames }, { keep: program.outputs });
    return new DecodingSession(model, kept, frameBias, options);
  }

  /**
   * Appends tokens to each text. The first call gives one prompt for each clip, of any length; later ones equally many
   * tokens for each text.
   */
  async step<Name extends StepOutput>(
    tokens: readonly (readonly number[])[],
    question: StepRequest,
    fetch: readonly Name[],
  ): Promise<Record<Name, HostTensor['data']>> {
    const { decoderHeads, decoderLayers, width } = this.model.dimensions;
    const texts = tokens.length;
    const count = largest(tokens, (text) => text.length);
    if (this.#length === 0) {
      this.#padding = tokens.map((text) => count - text.length);
      const headWidth = width / decoderHeads;
      for (let layer = 0; layer < decoderLayers; layer++) {
        this.#past[`past.keys.${layer}`] = float32(new Float32Array(0), [texts, decoderHeads, headWidth, 0]);
        this.#past[`past.values.${layer}`] = float32(new Float32Array(0), [
          texts,
          decoderHeads,
          0,
          headWidth,
        ]);
      }
    }
    const padded = tokens.flatMap((text) => [...new Array<number>(count - text.length).fill(0), ...text]);
    const positions = tokens.flatMap((_, text) =>
      Array.from({ length: count }, (_, i) => Math.max(0, this.#length + i - this.#padding[text]!)),
    );
    const program = await this.model.decodingProgram(
      Boolean(this.options.withTimestamps),
      this.options.vocabulary,
      this.options.language,
    );
    const feeds: Record<string, HostTensor | DeviceTensor> = {
      tokens: int64(padded, [texts, count]),
      positions: int64(positions, [texts, count]),
      rows: int64(question.rows),
      textBias: causalBias(count, this.#length, this.#padding),
      suppression: float32(question.suppression.bias, [question.suppression.bias.length]),
      suppressedTokens: int64(question.suppression.places),
      count: int64([question.count]),
      frameBias: this.frameBias,
      ...question.biases,
      ...this.memory,
      ...this.#past,
    };
    const { fetched, kept } = await this.model.runtime.run(program, feeds, {
      fetch,
      keep: program.outputs.filter((name) => name.startsWith('present.')),
      free: residents(this.#past),
    });
    this.#past = Object.fromEntries(
      Object.entries(kept).map(([name, value]) => [name.replace('present', 'past'), value]),
    );
    this.#length += count;
    return Object.fromEntries(fetch.map((name) => [name, fetched[name]!.data])) as Record<
      Name,
      HostTensor['data']
    >;
  }

  /** Selects texts of the batch, in this order; one may be selected several times. */
  async selectTexts(texts: readonly number[]): Promise<void> {
    if (texts.length === this.#padding.length && texts.every((text, i) => text === i)) return;
    this.#past = await this.#selected('past.', this.#past as Record<string, DeviceTensor>, texts);
    this.#padding = texts.map((text) => this.#padding[text]!);
  }

  /** Selects the audio of clips of the batch, in this order. */
  async selectClips(clips: readonly number[]): Promise<void> {
    this.memory = await this.#selected('', this.memory, clips);
    const frames = this.frameBias.shape[3]!;
    const bias = this.frameBias.data as Float32Array;
    const selected = new Float32Array(clips.length * frames);
    clips.forEach((clip, i) => selected.set(bias.subarray(clip * frames, (clip + 1) * frames), i * frames));
    this.frameBias = float32(selected, [clips.length, 1, 1, frames]);
  }

  async #selected(
    prefix: '' | 'past.',
    values: Readonly<Record<string, DeviceTensor>>,
    rows: readonly number[],
  ): Promise<Record<string, DeviceTensor>> {
    const program = await this.model.selectionProgram(prefix);
    const { kept } = await this.model.runtime.run(
      program,
      { ...values, rows: int64(rows) },
      { keep: program.outputs, free: Object.values(values) },
    );
    return Object.fromEntries(
      Object.entries(kept).map(([name, value]) => [name.replace('selected.', ''), value]),
    );
  }

  async end(): Promise<void> {
    await this.model.runtime.free([...residents(this.#past), ...residents(this.memory)]);
  }
}

function residents(values: Readonly<Record<string, DeviceTensor | HostTensor>>): DeviceTensor[] {
  return Object.values(values).filter((value): value is DeviceTensor => !('data' in value));
}
