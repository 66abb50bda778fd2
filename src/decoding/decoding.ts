/** The options and the results of decoding. */
import type { CandidateFilter } from './search.ts';
import type { SessionOptions } from './session.ts';

/** How the search goes. */
export interface SearchOptions {
  /** More than one: beam search. Default 1. */
  readonly beams?: number | undefined;
  /** Beam search goes on until beams × patience texts have ended. Default 1. */
  readonly patience?: number | undefined;
  /** Texts are compared by total log probability / length ^ this. Default 1. */
  readonly lengthPenalty?: number | undefined;
  /**
   * See BeamOptions. Default: where the clip is in a fitted window. There the end of text is less sure than in the full
   * one, and a text said twice has a better mean score than the same text said once.
   */
  readonly earlyStopping?: boolean | undefined;
  /** Texts drawn for each clip where tokens are drawn by chance. Default 5. */
  readonly bestOf?: number | undefined;
  /** Of what is drawn by chance. Default 1. */
  readonly seed?: number | undefined;
  /** No n tokens may come a second time in the same order; 0: they may. Default 0. */
  readonly noRepeatNgram?: number | undefined;
  /** Log probabilities of tokens that came before are multiplied by it. Default 1. */
  readonly repetitionPenalty?: number | undefined;
  /** Most tokens of a window's text. Default: half of Whisper's context (224). */
  readonly maxTokens?: number | undefined;
  /** Whether languages that the model has experts of are decoded with them. Default true. */
  readonly experts?: boolean | undefined;
}

export interface DecodingOptions extends SearchOptions, Omit<SessionOptions, 'language'> {
  /** The prompt of each clip. */
  readonly prompts: readonly (readonly number[])[];
  /**
   * The language spoken in each clip, where it is known: experts that the model has of it decode the clip. Default: the
   * first language that the prompt names.
   */
  readonly languages?: readonly (string | undefined)[];
  /** Above 0 tokens are drawn by chance, and beams do not count. Default 0. */
  readonly temperature?: number;
  /** Further filters, in this order. */
  readonly filters?: readonly CandidateFilter[];
  /** Greedy only: end a text that repeats itself over and over. Default false. */
  readonly stopLoops?: boolean;
  readonly onProgress?: (done: number) => void;
  /** Ends the work between two steps (abort.ts). */
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

/** OpenAI's ladder of temperatures. */
export const fallbackTemperatures: readonly number[] = [0, 0.2, 0.4, 0.6, 0.8, 1];
