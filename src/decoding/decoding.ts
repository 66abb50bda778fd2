/** What decoding is asked, and what it answers. */
import type { CandidateFilter } from './search.ts';
import type { SessionOptions } from './session.ts';

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
