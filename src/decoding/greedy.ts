/** Batched greedy decoding with a key–value cache. */
import { float32, type HostTensor, int64, type Resident } from '../graph/runtime.ts';
import { audioBatch } from '../whisper/audio-batch.ts';
import type { EncodedClip, WhisperModel } from '../whisper/model.ts';

/** At most so many frames × clips in one batch: their keys and values stay in memory while it is decoded. */
const FRAMES_PER_BATCH = 12_000;
const CLIPS_PER_BATCH = 32;

export interface DecodingOptions {
  /** The prompt of each clip; all equally long. */
  readonly prompts: readonly (readonly number[])[];
  /** Most tokens to make after the prompt. Default: what is left of half of Whisper's context (224). */
  readonly maxTokens?: number;
  /** Whether clips in fitted windows are followed by the silence tail. Default true. */
  readonly silenceTail?: boolean;
  readonly onProgress?: (done: number) => void;
}

export interface Decoded {
  readonly tokens: readonly number[];
  readonly text: string;
  /** Mean log probability of the tokens, the end of text included. */
  readonly averageLogProbability: number;
  /** False where the text was cut off at `maxTokens`. */
  readonly finished: boolean;
}

/** The most probable token at each step, until end of text. Results come in the order of the clips. */
export async function decodeGreedy(
  model: WhisperModel,
  clips: readonly EncodedClip[],
  { prompts, maxTokens = 224, silenceTail = true, onProgress }: DecodingOptions,
): Promise<Decoded[]> {
  const results: Decoded[] = new Array(clips.length);
  // Clips of similar length share a batch: less padding, and they end at about the same time.
  const order = [...clips.keys()].sort((a, b) => clips[a]!.window - clips[b]!.window);
  let done = 0;
  for (let start = 0; start < order.length; ) {
    let size = 1;
    while (
      size < CLIPS_PER_BATCH &&
      start + size < order.length &&
      (size + 1) * clips[order[start + size]!]!.window <= FRAMES_PER_BATCH
    ) {
      size++;
    }
    const batch = order.slice(start, start + size);
    const decoded = await decodeBatch(
      model,
      batch.map((i) => clips[i]!),
      batch.map((i) => prompts[i]!),
      maxTokens,
      silenceTail,
    );
    decoded.forEach((result, i) => {
      results[batch[i]!] = result;
    });
    start += size;
    done += size;
    onProgress?.(done);
  }
  return results;
}

async function decodeBatch(
  model: WhisperModel,
  clips: readonly EncodedClip[],
  prompts: readonly (readonly number[])[],
  maxTokens: number,
  silenceTail: boolean,
): Promise<Decoded[]> {
  const { tokens: vocabulary } = model;
  const { suppressed, suppressedAtBegin } = suppression(model);
  const session = await DecodingSession.start(model, clips, silenceTail);
  const made = clips.map(() => ({ tokens: [] as number[], logProbability: 0, finished: false }));
  try {
    let input = prompts;
    for (
      let step = 0;
      step < Math.min(maxTokens, model.dimensions.textPositions - prompts[0]!.length);
      step++
    ) {
      const logits = await session.step(input);
      const next = made.map((text, row) => {
        if (text.finished) return [vocabulary.endOfText];
        const { token, logProbability } = best(
          logits,
          row,
          model.dimensions.vocabulary,
          step === 0 ? suppressedAtBegin : suppressed,
        );
        text.logProbability += logProbability;
        if (token === vocabulary.endOfText) text.finished = true;
        else text.tokens.push(token);
        return [token];
      });
      if (made.every(({ finished }) => finished)) break;
      input = next;
    }
  } finally {
    await session.end();
  }
  return made.map(({ tokens, logProbability, finished }) => ({
    tokens,
    text: vocabulary.decode(tokens).trim(),
    averageLogProbability: logProbability / (tokens.length + Number(finished)),
    finished,
  }));
}

function best(
  logits: Float32Array,
  row: number,
  size: number,
  suppressed: Uint8Array,
): { token: number; logProbability: number } {
  const start = row * size;
  let token = -1;
  let top = Number.NEGATIVE_INFINITY;
  for (let id = 0; id < size; id++) {
    const logit = logits[start + id]!;
    if (logit > top && !suppressed[id]) {
      top = logit;
      token = id;
    }
  }
  let total = 0;
  for (let id = 0; id < size; id++) if (!suppressed[id]) total += Math.exp(logits[start + id]! - top);
  return { token, logProbability: -Math.log(total) };
}

/** Tokens that may never be made, as flags by id: from the generation config; timestamps too, in text without them. */
function suppression(model: WhisperModel): { suppressed: Uint8Array; suppressedAtBegin: Uint8Array } {
  const { generationConfig } = model.settings;
  const suppressed = new Uint8Array(model.dimensions.vocabulary);
  const ids = (key: string): number[] =>
    Array.isArray(generationConfig[key]) ? (generationConfig[key] as number[]) : [];
  for (const id of ids('suppress_tokens')) suppressed[id] = 1;
  const suppressedAtBegin = suppressed.slice();
  for (const id of ids('begin_suppress_tokens')) suppressedAtBegin[id] = 1;
  return { suppressed, suppressedAtBegin };
}

/** The state of a batch that is being decoded: its audio memory and its cache, both in the computing thread. */
export class DecodingSession {
  readonly #past: Record<string, Resident | HostTensor> = {};
  #length = 0;

  private constructor(
    private readonly model: WhisperModel,
    private readonly batch: number,
    private readonly memory: Readonly<Record<string, Resident>>,
    private readonly frameBias: HostTensor,
  ) {
    const { decoderHeads, decoderLayers, width } = model.dimensions;
    const headWidth = width / decoderHeads;
    for (let layer = 0; layer < decoderLayers; layer++) {
      this.#past[`past.keys.${layer}`] = float32(new Float32Array(0), [batch, decoderHeads, headWidth, 0]);
      this.#past[`past.values.${layer}`] = float32(new Float32Array(0), [batch, decoderHeads, 0, headWidth]);
    }
  }

  static async start(
    model: WhisperModel,
    clips: readonly EncodedClip[],
    silenceTail: boolean,
  ): Promise<DecodingSession> {
    const tails =
      silenceTail && clips.some(({ window }) => window < model.fullWindow)
        ? await model.silenceTails()
        : undefined;
    const { frames, frameBias } = audioBatch(clips, tails);
    const program = await model.audioMemoryProgram();
    const { kept } = await model.runtime.run(program, { frames }, { keep: program.outputs });
    return new DecodingSession(model, clips.length, kept, frameBias);
  }

  /**
   * Appends tokens to each text, equally many.
   * @returns logits after the last token of each, [batch, vocabulary]
   */
  async step(tokens: readonly (readonly number[])[]): Promise<Float32Array> {
    const count = tokens[0]!.length;
    const program = await this.model.decodingProgram();
    const shape = [this.batch, count];
    const feeds: Record<string, HostTensor | Resident> = {
      tokens: int64(tokens.flat(), shape),
      positions: int64(
        tokens.flatMap((text) => text.map((_, i) => this.#length + i)),
        shape,
      ),
      rows: int64(tokens.map((_, i) => i * count + count - 1)),
      textBias: causalBias(count, this.#length),
      frameBias: this.frameBias,
      ...this.memory,
      ...this.#past,
    };
    const { fetched, kept } = await this.model.runtime.run(program, feeds, {
      fetch: ['logits'],
      keep: program.outputs.filter((name) => name !== 'logits'),
      free: Object.values(this.#past).filter((value) => !('data' in value)) as Resident[],
    });
    for (const [name, value] of Object.entries(kept)) this.#past[name.replace('present', 'past')] = value;
    this.#length += count;
    return fetched.logits!.data as Float32Array;
  }

  async end(): Promise<void> {
    const past = Object.values(this.#past).filter((value) => !('data' in value)) as Resident[];
    await this.model.runtime.free([...past, ...Object.values(this.memory)]);
  }
}

/** Each of `count` tokens sees the `past` ones before them, itself, and those between. [1, 1, count, past + count] */
export function causalBias(count: number, past = 0): HostTensor {
  const all = past + count;
  const bias = new Float32Array(count * all);
  for (let i = 0; i < count; i++) bias.fill(Number.NEGATIVE_INFINITY, i * all + past + i + 1, (i + 1) * all);
  return float32(bias, [1, 1, count, all]);
}
