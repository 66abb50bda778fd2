/** The state of a batch of texts that are being decoded: the audio of some clips, and one or more texts of each. */

import { type DeviceTensor, float32, type HostTensor, int64, type Program } from '../backend/runtime.ts';
import { largest } from '../extremes.ts';
import { MASKED } from '../graph/ops.ts';
import { audioBatch } from '../whisper/audio-batch.ts';
import { causalBias } from '../whisper/causal-bias.ts';
import { LOOPED_RESULTS, type LoopedResult } from '../whisper/decoding-loop.ts';
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
  /**
   * Steps that are computed in one run, of one text a clip, as if each appended its likeliest token: where values pass through the host
   * between runs. Without timestamps. Default: none ahead.
   */
  readonly stepsAhead?: number | undefined;
}

/** Suppressed tokens. */
export interface Suppression {
  /** Added to the logits, [output tokens]. */
  readonly bias: Float32Array;
  /** Their places among the output tokens. */
  readonly places: readonly number[];
}

/** Steps that a loop has computed (decoding-loop.ts). */
interface Ahead {
  /** Of each step, for each clip. */
  steps: readonly Readonly<Record<LoopedResult, readonly (number | bigint)[]>>[];
  /** Number of them that were asked for. */
  used: number;
  /** Place in the cache of the first step's token. */
  readonly start: number;
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

/**
 * Audio memory and token cache stay in the computing thread. The cache of a clip holds the keys and values of all its texts so
 * far; each text sees the tokens that it continues. So a beam search moves nothing when it drops texts and parts others.
 */
export class DecodingSession {
  #past: Record<string, DeviceTensor | HostTensor> = {};
  /** Number of tokens in the cache of each clip so far, padding included. */
  #length = 0;
  /** Results of steps that are already computed, and how many were asked for. */
  #ahead: Ahead | undefined;
  /** For each text, clip by clip, the places in its clip's cache of the tokens that it sees, in order. */
  #seen: readonly (readonly number[])[] = [];

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

  /** Reads one prompt for each clip, of any length: the first step. */
  readPrompts<Name extends StepOutput>(
    prompts: readonly (readonly number[])[],
    question: StepRequest,
    fetch: readonly Name[],
  ): Promise<Record<Name, HostTensor['data']>> {
    const count = largest(prompts, (prompt) => prompt.length);
    const padding = prompts.map((prompt) => count - prompt.length);
    const { decoderHeads, decoderLayers, width } = this.model.dimensions;
    const headWidth = width / decoderHeads;
    for (let layer = 0; layer < decoderLayers; layer++) {
      const empty = (shape: readonly number[]): HostTensor => ({
        ...(this.model.products.decoder === 'float16'
          ? { dtype: 'float16', data: new Uint16Array(0) }
          : { dtype: 'float32', data: new Float32Array(0) }),
        shape: [prompts.length, ...shape],
      });
      this.#past[`past.keys.${layer}`] = empty([decoderHeads, headWidth, 0]);
      this.#past[`past.values.${layer}`] = empty([decoderHeads, 0, headWidth]);
    }
    this.#seen = prompts.map((prompt, text) => Array.from(prompt, (_, i) => padding[text]! + i));
    const positions = prompts.flatMap((_, text) =>
      Array.from({ length: count }, (_, i) => Math.max(0, i - padding[text]!)),
    );
    const padded = prompts.flatMap((prompt, text) => [
      ...new Array<number>(padding[text]!).fill(0),
      ...prompt,
    ]);
    return this.#run(padded, positions, causalBias(count, padding), question, fetch);
  }

  /** Appends a token to each text. */
  step<Name extends StepOutput>(
    tokens: readonly number[],
    question: StepRequest,
    fetch: readonly Name[],
  ): Promise<Record<Name, HostTensor['data']>> {
    const perClip = tokens.length / this.#clips;
    if (this.options.stepsAhead !== undefined && perClip === 1)
      return this.#stepAhead(tokens, question, fetch);
    const positions = this.#seen.map((seen) => seen.length);
    this.#seen = this.#seen.map((seen, text) => [...seen, this.#length + (text % perClip)]);
    const bias = seenBias(this.#seen, perClip, this.#length + perClip);
    return this.#run(tokens, positions, bias, question, fetch);
  }

  /** @param tokens of all clips, as many of each */
  async #run<Name extends StepOutput>(
    tokens: readonly number[],
    positions: readonly number[],
    textBias: HostTensor,
    question: StepRequest,
    fetch: readonly Name[],
  ): Promise<Record<Name, HostTensor['data']>> {
    const program = await this.model.decodingProgram(
      tokens.length,
      Boolean(this.options.withTimestamps),
      this.options.vocabulary,
      this.options.language,
    );
    const perClip = tokens.length / this.#clips;
    const feeds = this.#feeds(tokens, positions, textBias, question);
    const fetched = await this.#runProgram(program, feeds, fetch);
    this.#length += perClip;
    return Object.fromEntries(fetch.map((name) => [name, fetched[name]!.data])) as Record<
      Name,
      HostTensor['data']
    >;
  }

  #feeds(
    tokens: readonly number[],
    positions: readonly number[],
    textBias: HostTensor,
    question: StepRequest,
  ): Record<string, HostTensor | DeviceTensor> {
    const shape = [this.#clips, tokens.length / this.#clips];
    return {
      tokens: int64(tokens, shape),
      positions: int64(positions, shape),
      rows: int64(question.rows),
      textBias,
      suppression: float32(question.suppression.bias, [question.suppression.bias.length]),
      suppressedTokens: int64(question.suppression.places),
      count: int64([question.count]),
      frameBias: this.frameBias,
      ...question.biases,
      ...this.memory,
      ...this.#past,
    };
  }

  /** The outputs that are fetched; the cache is from then on the present one. */
  async #runProgram(
    program: Program,
    feeds: Readonly<Record<string, HostTensor | DeviceTensor>>,
    fetch: readonly string[],
  ): Promise<Readonly<Record<string, HostTensor>>> {
    const { fetched, kept } = await this.model.runtime.run(program, feeds, {
      fetch,
      keep: program.outputs.filter((name) => name.startsWith('present.')),
      free: residents(this.#past),
    });
    this.#past = Object.fromEntries(
      Object.entries(kept).map(([name, value]) => [name.replace('present', 'past'), value]),
    );
    return fetched;
  }

  /** A step whose tokens a loop may have foreseen; else a loop that begins with them. */
  async #stepAhead<Name extends StepOutput>(
    tokens: readonly number[],
    question: StepRequest,
    fetch: readonly Name[],
  ): Promise<Record<Name, HostTensor['data']>> {
    if (!this.#foresaw(tokens)) await this.#runLoop(tokens, question);
    const ahead = this.#ahead!;
    const results = ahead.steps[ahead.used]!;
    // What the loop appended beyond the steps that are asked for stays in the cache, unseen.
    this.#seen = this.#seen.map((seen) => [...seen, ahead.start + ahead.used]);
    ahead.used++;
    return Object.fromEntries(
      fetch.map((name) => {
        const values = results[name as LoopedResult];
        return [
          name,
          name === 'candidates'
            ? BigInt64Array.from(values as readonly bigint[])
            : Float32Array.from(values as readonly number[]),
        ];
      }),
    ) as unknown as Record<Name, HostTensor['data']>;
  }

  /** Whether the next step that is already computed appends these tokens. What follows a text's end does not matter. */
  #foresaw(tokens: readonly number[]): boolean {
    const last = this.#ahead?.steps[this.#ahead.used - 1];
    if (!last || this.#ahead!.used === this.#ahead!.steps.length) return false;
    const { ids } = this.model.output(this.options.vocabulary);
    const { endOfText } = this.model.tokens;
    return tokens.every((token, i) => token === endOfText || token === ids[Number(last.candidates[i])]);
  }

  async #runLoop(tokens: readonly number[], question: StepRequest): Promise<void> {
    const { vocabulary, language, stepsAhead } = this.options;
    const positions = this.#seen.map((seen) => seen.length);
    const steps = Math.min(
      stepsAhead!,
      this.model.dimensions.textPositions - largest(positions, (position) => position),
    );
    const start = this.#length;
    const seen = this.#seen.map((places) => [...places, start]);
    const program = await this.model.decodingProgram(tokens.length, false, vocabulary, language, true);
    const { ids } = this.model.output(vocabulary);
    const fetched = await this.#runProgram(
      program,
      {
        ...this.#feeds(tokens, positions, seenBias(seen, 1, start + 1), question),
        steps: int64([steps], []),
        ids: int64([...ids]),
      },
      LOOPED_RESULTS,
    );
    this.#length += steps;
    const count = tokens.length;
    const of = (name: LoopedResult, step: number): (number | bigint)[] =>
      Array.from({ length: count }, (_, i) => fetched[name]!.data[step * count + i]!);
    this.#ahead = {
      steps: Array.from({ length: steps }, (_, step) => ({
        candidates: of('candidates', step),
        logProbabilities: of('logProbabilities', step),
        allowed: of('allowed', step),
      })),
      used: 0,
      start,
    };
  }

  get #clips(): number {
    return this.frameBias.shape[0]!;
  }

  /** Selects texts, equally many of each clip, clip by clip; one may be selected several times. */
  selectTexts(texts: readonly number[]): void {
    this.#seen = texts.map((text) => this.#seen[text]!);
  }

  /** Keeps clips of the batch, in this order, with all their texts. */
  async selectClips(clips: readonly number[]): Promise<void> {
    const perClip = this.#seen.length / this.#clips;
    this.selectTexts(clips.flatMap((clip) => Array.from({ length: perClip }, (_, i) => clip * perClip + i)));
    if (this.#ahead) {
      const of = <T>(values: readonly T[]): T[] => clips.map((clip) => values[clip]!);
      this.#ahead.steps = this.#ahead.steps.map(({ candidates, logProbabilities, allowed }) => ({
        candidates: of(candidates),
        logProbabilities: of(logProbabilities),
        allowed: of(allowed),
      }));
    }
    this.memory = await this.#selected('', this.memory, clips);
    this.#past = await this.#selected('past.', this.#past as Record<string, DeviceTensor>, clips);
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

/**
 * Shows each text the tokens that it continues, and its own.
 * @param seen for each text, their places in its clip's cache
 * @param length of the cache
 * @returns [clips, 1, texts of a clip, length]
 */
function seenBias(seen: readonly (readonly number[])[], perClip: number, length: number): HostTensor {
  const bias = new Float32Array(seen.length * length).fill(MASKED);
  seen.forEach((places, text) => {
    for (const place of places) bias[text * length + place] = 0;
  });
  return float32(bias, [seen.length / perClip, 1, perClip, length]);
}
