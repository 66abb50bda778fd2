/** From encoded clips to text, in batches, with a key–value cache. */
import { sfc32, uniform } from '../random.ts';
import { NEVER } from '../whisper/decoder.ts';
import { type EncodedClip, FULL_WINDOW_POSITIONS, type WhisperModel } from '../whisper/model.ts';
import { RepetitionControl } from './repetition.ts';
import {
  averageLogProbability,
  BeamSearch,
  type CandidateFilter,
  type Candidates,
  emptyText,
  GreedySearch,
  type Hypothesis,
  SamplingSearch,
  type Search,
  type SearchLimits,
} from './search.ts';
import { DecodingSession, type Question, type SessionOptions, type Suppression } from './session.ts';
import { timestampBiases } from './timestamp-rules.ts';

/** At most so many frames × clips in one batch: their keys and values stay in memory while it is decoded. */
const FRAMES_PER_BATCH = 8_000;
const CLIPS_PER_BATCH = 32;
/** The batch is cut down to the clips that go on when they are at most this share of it. */
const KEEP_SHARE = 0.9;

export interface DecodingOptions extends Omit<SessionOptions, 'language'> {
  /** The prompt of each clip. */
  readonly prompts: readonly (readonly number[])[];
  /**
   * The language spoken in each clip, where it is known: experts that the model has of it decode the clip. Default: the
   * first language that the prompt names.
   */
  readonly languages?: readonly (string | undefined)[];
  /** Whether experts are used. Default true. */
  readonly experts?: boolean;
  /** Most tokens to make after the prompt. Default: what is left of half of Whisper's context (224). */
  readonly maxTokens?: number;
  /** More than one: beam search. Default 1. */
  readonly beams?: number;
  /** See BeamOptions. Default 1. */
  readonly patience?: number;
  /** See BeamOptions. Default 1. */
  readonly lengthPenalty?: number;
  /**
   * See BeamOptions. Default: where the clip is in a fitted window. There the end of text is less sure than in the full
   * one, and a text said twice has a better mean score than the same text said once.
   */
  readonly earlyStopping?: boolean;
  /** Above 0 tokens are drawn by chance, and beams do not count. Default 0. */
  readonly temperature?: number;
  /** Texts drawn for each clip where tokens are drawn by chance. Default 5. */
  readonly bestOf?: number;
  readonly seed?: number;
  /** No n tokens may come a second time in the same order; 0: they may. Default 0. */
  readonly noRepeatNgram?: number;
  /** Log probabilities of tokens that came before are multiplied by it. Default 1. */
  readonly repetitionPenalty?: number;
  /** Further filters, in this order. */
  readonly filters?: readonly CandidateFilter[];
  /** Greedy only: end a text that repeats itself over and over. Default false. */
  readonly stopLoops?: boolean;
  readonly onProgress?: (done: number) => void;
}

export interface Alternative {
  readonly text: string;
  /** Without prompt and end of text. */
  readonly tokens: readonly number[];
  readonly score: number;
}

export interface Decoded {
  /** Without prompt and end of text. */
  readonly tokens: readonly number[];
  readonly text: string;
  /** Of each token, and of the end of text, among the tokens that might come there. */
  readonly logProbabilities: readonly number[];
  /** Mean log probability of the tokens, the end of text included. */
  readonly averageLogProbability: number;
  /** What the search compared texts by. */
  readonly score: number;
  /** False where the text was cut off at `maxTokens`. */
  readonly finished: boolean;
  /** That the window has no speech, by the model's own estimate. */
  readonly noSpeechProbability: number;
  /** The other texts that the search ended with, best first. */
  readonly alternatives: readonly Alternative[];
}

/** Results come in the order of the clips. */
export async function decode(
  model: WhisperModel,
  clips: readonly EncodedClip[],
  options: DecodingOptions,
): Promise<Decoded[]> {
  const results: Decoded[] = new Array(clips.length);
  const experts = [...clips.keys()].map((i) => expertOf(model, options, i) ?? '');
  const alike = (a: number, b: number) =>
    experts[a]! < experts[b]! ? -1 : Number(experts[a] !== experts[b]);
  // Clips of similar length share a batch: less padding, and they end at about the same time. Experts are of one language.
  const order = [...clips.keys()].sort((a, b) => alike(a, b) || clips[a]!.window - clips[b]!.window);
  let done = 0;
  for (let start = 0; start < order.length; ) {
    let size = 1;
    while (
      size < CLIPS_PER_BATCH &&
      start + size < order.length &&
      alike(order[start]!, order[start + size]!) === 0 &&
      (size + 1) * clips[order[start + size]!]!.window <= FRAMES_PER_BATCH
    ) {
      size++;
    }
    const batch = order.slice(start, start + size);
    const decoded = await decodeBatch(
      model,
      batch.map((i) => clips[i]!),
      batch.map((i) => newSearch(model, options, i, clips[i]!.window < FULL_WINDOW_POSITIONS)),
      {
        ...options,
        prompts: batch.map((i) => options.prompts[i]!),
        language: experts[batch[0]!] || undefined,
      },
    );
    decoded.forEach((result, i) => {
      results[batch[i]!] = result;
    });
    start += size;
    done += size;
    options.onProgress?.(done);
  }
  return results;
}

/** The language whose experts decode a clip, if any. */
function expertOf(
  { experts, tokens }: WhisperModel,
  { prompts, languages, experts: used = true }: DecodingOptions,
  clip: number,
): string | undefined {
  if (!used || experts.size === 0) return undefined;
  const language = languages ? languages[clip] : tokens.languageOf(prompts[clip]!);
  return language !== undefined && experts.has(language) ? language : undefined;
}

function newSearch(model: WhisperModel, options: DecodingOptions, clip: number, fitted: boolean): Search {
  const {
    beams = 1,
    patience = 1,
    lengthPenalty = 1,
    temperature = 0,
    bestOf = 5,
    maxTokens = 224,
  } = options;
  const limits: SearchLimits = {
    endOfText: model.tokens.endOfText,
    maxTokens: Math.min(maxTokens, model.dimensions.textPositions - options.prompts[clip]!.length),
  };
  if (temperature > 0) {
    const random = sfc32((options.seed ?? 1) + clip);
    return new SamplingSearch(limits, bestOf, temperature, () => uniform(random));
  }
  return beams > 1
    ? new BeamSearch(limits, {
        beams,
        patience,
        lengthPenalty,
        earlyStopping: options.earlyStopping ?? fitted,
      })
    : new GreedySearch(limits, Boolean(options.stopLoops));
}

/** What a search is told of each step. */
const CANDIDATES = ['candidates', 'logProbabilities', 'allowed'] as const;

/** One text of the batch: a live text of a clip. */
interface Row {
  readonly clip: number;
  readonly text: Hypothesis;
}

async function decodeBatch(
  model: WhisperModel,
  clips: readonly EncodedClip[],
  searches: readonly Search[],
  options: DecodingOptions & SessionOptions,
): Promise<Decoded[]> {
  const { tokens: vocabulary } = model;
  const output = model.output(options.vocabulary);
  const filters: CandidateFilter[] = [...(options.filters ?? [])];
  if (options.noRepeatNgram || (options.repetitionPenalty ?? 1) !== 1) {
    filters.unshift(new RepetitionControl(options.noRepeatNgram ?? 0, options.repetitionPenalty ?? 1));
  }
  const { suppressed, suppressedAtBegin } = suppression(model, output.ids, Boolean(options.withTimestamps));
  const session = await DecodingSession.start(model, clips, options);
  const width = searches[0]!.width;
  const ask = (rows: readonly number[], texts: readonly Row[], first: boolean): Question => {
    const longest = Math.max(...texts.map(({ text }) => text.tokens.length));
    const extra = filters.reduce((sum, filter) => sum + filter.extra(longest), 0);
    return {
      rows,
      suppression: first ? suppressedAtBegin : suppressed,
      count: Math.min(output.ids.length, searches[0]!.candidates + extra),
      ...(options.withTimestamps && { biases: timestamps(texts) }),
    };
  };
  const latestBegin = model.settings.generationConfig.max_initial_timestamp_index;
  const timestamps = (texts: readonly Row[]) =>
    timestampBiases(
      texts.map(({ text }) => text.tokens),
      {
        first: vocabulary.firstTimestamp,
        count: output.tokens.count - output.tokens.timestamps,
        latestBegin: typeof latestBegin === 'number' ? latestBegin : undefined,
      },
    );
  try {
    // Prompts: one text for each clip. The start of transcript is asked too, whether there is speech.
    const longest = Math.max(...options.prompts.map((prompt) => prompt.length));
    const padded = options.prompts.map((prompt) => longest - prompt.length);
    const last = clips.map((_, i) => (i + 1) * longest - 1);
    const begin = options.prompts.map(
      (prompt, i) => i * longest + padded[i]! + Math.max(0, prompt.lastIndexOf(vocabulary.startOfTranscript)),
    );
    let live = clips.map((_, clip) => clip);
    let rows: Row[] = live.map((clip) => ({ clip, text: searches[clip]!.live[0]! }));
    const first = await session.step(options.prompts, ask([...last, ...begin], [...rows, ...rows], true), [
      ...CANDIDATES,
      'noSpeech',
    ]);
    const noSpeech = clips.map((_, clip) => Math.exp(Number(first.noSpeech[clips.length + clip])));
    let answer: Pick<typeof first, (typeof CANDIDATES)[number]> = first;

    for (;;) {
      const perRow = answer.candidates.length / (answer.allowed.length || 1);
      const candidates = rows.map(({ text }, row) => {
        let found: Candidates = {
          tokens: Array.from(
            { length: perRow },
            (_, i) => output.ids[Number(answer.candidates[row * perRow + i])]!,
          ),
          logProbabilities: Array.from({ length: perRow }, (_, i) =>
            Number(answer.logProbabilities[row * perRow + i]),
          ),
          allowed: Number(answer.allowed[row]),
        };
        for (const filter of filters) found = filter.apply(text, found);
        return found;
      });
      // How each clip's texts go on: its rows are together, in the order of `live`.
      const perClip = rows.length / live.length;
      const parents: number[] = [];
      const next: number[][] = [];
      const going: number[] = []; // places in `live`
      for (const [place, clip] of live.entries()) {
        const search = searches[clip]!;
        const begins = place * perClip;
        const moves = search.done ? [] : search.advance(candidates.slice(begins, begins + perClip));
        if (moves.length > 0) going.push(place);
        for (let i = 0; i < width; i++) {
          parents.push(begins + (moves[i]?.parent ?? 0));
          next.push([moves[i]?.token ?? vocabulary.endOfText]);
        }
      }
      if (going.length === 0) break;
      // A text that never ends must not keep the whole batch busy.
      const cut = going.length <= KEEP_SHARE * live.length;
      const stay = cut ? going : [...live.keys()];
      const texts = stay.flatMap((place) => Array.from({ length: width }, (_, i) => place * width + i));
      await session.selectTexts(texts.map((i) => parents[i]!));
      if (cut) await session.selectClips(stay);
      live = stay.map((place) => live[place]!);
      rows = live.flatMap((clip) =>
        Array.from({ length: width }, (_, i) => {
          const { live: alive } = searches[clip]!;
          return { clip, text: alive[i] ?? emptyText };
        }),
      );
      answer = await session.step(
        texts.map((i) => next[i]!),
        ask([...rows.keys()], rows, false),
        CANDIDATES,
      );
    }
    return searches.map((search, clip) => {
      const [best, ...others] = search.results();
      const { hypothesis, score } = best!;
      return {
        tokens: hypothesis.tokens,
        text: vocabulary.decode(hypothesis.tokens).trim(),
        logProbabilities: hypothesis.logProbabilities,
        averageLogProbability: averageLogProbability(hypothesis),
        score,
        finished: hypothesis.finished,
        noSpeechProbability: noSpeech[clip]!,
        alternatives: others.map(({ hypothesis: { tokens }, score }) => ({
          text: vocabulary.decode(tokens).trim(),
          tokens,
          score,
        })),
      };
    });
  } finally {
    await session.end();
  }
}

/** What is added to each output token's logit: from the generation config, tokens that may never come, or not at first. */
function suppression(
  model: WhisperModel,
  ids: Int32Array,
  withTimestamps: boolean,
): { suppressed: Suppression; suppressedAtBegin: Suppression } {
  const { generationConfig } = model.settings;
  const listed = (key: string): Set<number> =>
    new Set(Array.isArray(generationConfig[key]) ? (generationConfig[key] as number[]) : []);
  const never = listed('suppress_tokens');
  if (withTimestamps) never.add(model.tokens.noTimestamps);
  const notAtBegin = listed('begin_suppress_tokens');
  const of = (isSuppressed: (id: number) => boolean): Suppression => ({
    bias: Float32Array.from(ids, (id) => (isSuppressed(id) ? NEVER : 0)),
    places: [...ids.keys()].filter((place) => isSuppressed(ids[place]!)),
  });
  return {
    suppressed: of((id) => never.has(id)),
    suppressedAtBegin: of((id) => never.has(id) || notAtBegin.has(id)),
  };
}
