/** Batched greedy decoding with a key–value cache. */
import type { EncodedClip, WhisperModel } from '../whisper/model.ts';
import { DecodingSession } from './session.ts';

/** At most so many frames × clips in one batch: their keys and values stay in memory while it is decoded. */
const FRAMES_PER_BATCH = 8_000;
const CLIPS_PER_BATCH = 32;
/** The batch is cut down to the texts that go on when they are at most this share of it. */
const KEEP_SHARE = 0.75;

export interface DecodingOptions {
  /** The prompt of each clip; all equally long. */
  readonly prompts: readonly (readonly number[])[];
  /** Most tokens to make after the prompt. Default: what is left of half of Whisper's context (224). */
  readonly maxTokens?: number;
  /** Whether clips in fitted windows are followed by the silence tail. Default true. */
  readonly silenceTail?: boolean;
  /** End a text that repeats itself over and over, as an untuned decoder does until `maxTokens`. Default false. */
  readonly stopLoops?: boolean;
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
  { prompts, maxTokens = 224, silenceTail = true, stopLoops = false, onProgress }: DecodingOptions,
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
      { maxTokens, silenceTail, stopLoops },
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
  {
    maxTokens,
    silenceTail,
    stopLoops,
  }: Required<Pick<DecodingOptions, 'maxTokens' | 'silenceTail' | 'stopLoops'>>,
): Promise<Decoded[]> {
  const { tokens: vocabulary } = model;
  const { suppressed, suppressedAtBegin } = suppression(model);
  const session = await DecodingSession.start(model, clips, silenceTail);
  const made = clips.map(() => ({
    tokens: [] as number[],
    logProbability: 0,
    finished: false,
    looping: false,
  }));
  const over = (text: (typeof made)[number]): boolean => text.finished || text.looping;
  try {
    let input = prompts;
    let rows = made; // the texts of the session's batch, in its order
    for (
      let step = 0;
      step < Math.min(maxTokens, model.dimensions.textPositions - prompts[0]!.length);
      step++
    ) {
      const allowed = step === 0 ? suppressedAtBegin : suppressed;
      const { best, logProbability } = await session.step(input, allowed, ['best', 'logProbability']);
      for (const [row, text] of rows.entries()) {
        if (over(text)) continue;
        const token = Number(best[row]);
        text.logProbability += Number(logProbability[row]);
        if (token === vocabulary.endOfText) text.finished = true;
        else text.tokens.push(token);
        text.looping = stopLoops && endsInLoop(text.tokens);
      }
      const going = [...rows.keys()].filter((row) => !over(rows[row]!));
      if (going.length === 0) break;
      // A text that never ends must not keep the whole batch busy.
      if (going.length <= KEEP_SHARE * rows.length) {
        await session.select(going);
        rows = going.map((row) => rows[row]!);
      }
      input = rows.map((text) => [over(text) ? vocabulary.endOfText : text.tokens.at(-1)!]);
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

/** Repeated so often, and up to this length, it is a loop. */
const LOOP_REPEATS = 5;
const LOOP_LENGTH = 8;

function endsInLoop(tokens: readonly number[]): boolean {
  for (let period = 1; period <= LOOP_LENGTH; period++) {
    const start = tokens.length - LOOP_REPEATS * period;
    if (start < 0) return false;
    let repeats = true;
    for (let i = start + period; i < tokens.length && repeats; i++)
      repeats = tokens[i] === tokens[i - period];
    if (repeats) return true;
  }
  return false;
}

/** Keeps a token from being chosen. Finite, so that sums with it stay numbers. */
const NEVER = -1e9;

/** What is added to each token's logit: from the generation config, tokens that may never come, or not at first. */
function suppression(model: WhisperModel): { suppressed: Float32Array; suppressedAtBegin: Float32Array } {
  const { generationConfig } = model.settings;
  const suppressed = new Float32Array(model.dimensions.vocabulary);
  const ids = (key: string): number[] =>
    Array.isArray(generationConfig[key]) ? (generationConfig[key] as number[]) : [];
  for (const id of ids('suppress_tokens')) suppressed[id] = NEVER;
  const suppressedAtBegin = suppressed.slice();
  for (const id of ids('begin_suppress_tokens')) suppressedAtBegin[id] = NEVER;
  return { suppressed, suppressedAtBegin };
}
