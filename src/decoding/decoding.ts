/** Options and results of decoding. */
import type { NbestRescoring } from './nbest-rescoring.ts';
import type { CandidateFilter } from './search.ts';
import type { SessionOptions } from './session.ts';

/** Options of the search. */
export interface SearchOptions {
  /** Beam size; 1: greedy. Default 1. */
  readonly beams?: number | undefined;
  /** Beam search continues until beams × patience texts have ended. Default 1. */
  readonly patience?: number | undefined;
  /** Texts are compared by total log probability / length ^ this. Default 1. */
  readonly lengthPenalty?: number | undefined;
  /**
   * See BeamOptions. Default: where the clip is in a fitted window. There the end of text is less certain than in the full
   * one, and a repeated text has a better mean score than the same text once.
   */
  readonly earlyStopping?: boolean | undefined;
  /** Number of sampled texts per clip, with a temperature above 0. Default 5. */
  readonly bestOf?: number | undefined;
  /** Random seed of sampling. Default 1. */
  readonly seed?: number | undefined;
  /** Forbids n-grams of this length to repeat; 0: does not. Default 0. */
  readonly noRepeatNgram?: number | undefined;
  /** Factor of the log probabilities of earlier tokens. Default 1. */
  readonly repetitionPenalty?: number | undefined;
  /** Largest number of tokens of a window's text. Default: half of Whisper's context (224). */
  readonly maxTokens?: number | undefined;
  /** Decode with the experts of a language, where the model has them. Default true. */
  readonly experts?: boolean | undefined;
}

export interface DecodingOptions extends SearchOptions, Omit<SessionOptions, 'language'> {
  /** The prompt of each clip. */
  readonly prompts: readonly (readonly number[])[];
  /**
   * The language spoken in each clip, where it is known: its experts decode the clip, where the model has them.
   * Default: the first language that the prompt names.
   */
  readonly languages?: readonly (string | undefined)[];
  /**
   * A number for each clip, added to the seed: sampling then does not depend on the clips that are decoded together.
   * Default: its index.
   */
  readonly positions?: readonly number[];
  /**
   * English first: the token between the English text and the one in the target language, which is the result. Default: the
   * text is decoded directly.
   */
  readonly separator?: number | undefined;
  /** Above 0: sample, and ignore `beams`. Default 0. */
  readonly temperature?: number;
  /** The prompts end within the text, whose next token is wanted: it may be one that cannot begin a text. Default false. */
  readonly continued?: boolean | undefined;
  /** Further candidate filters, in this order. */
  readonly filters?: readonly CandidateFilter[];
  /** Chooses among the texts that a search found. Default: the search's own scores. */
  readonly rescoring?: NbestRescoring;
  /** Greedy only: end a text that repeats itself over and over. Default false. */
  readonly stopLoops?: boolean;
  readonly onProgress?: (done: number) => void;
  /** Aborts between two steps (abort.ts). */
  readonly signal?: AbortSignal | undefined;
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
  /** English first: the English text. */
  readonly english?: string;
  /** Its tokens, timestamps included, without the separator. */
  readonly englishTokens?: readonly number[];
  /** Log probability of each token, and of the end of text, among the allowed tokens. */
  readonly logProbabilities: readonly number[];
  /** Mean log probability of the tokens, the end of text included. */
  readonly averageLogProbability: number;
  /** Score of the text in the search. */
  readonly score: number;
  /** False where the text was cut off at `maxTokens`. */
  readonly finished: boolean;
  /** The model's probability that the window has no speech. */
  readonly noSpeechProbability: number;
  /** Other resulting texts of the search, best first. */
  readonly alternatives: readonly Alternative[];
}

/** OpenAI's fallback temperatures. */
export const fallbackTemperatures: readonly number[] = [0, 0.2, 0.4, 0.6, 0.8, 1];

/** Weight of the language model and score per word in shallow fusion. */
export const defaultFusion = { alpha: 0.3, beta: 0.3 } as const;
