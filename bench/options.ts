/** Options of `npm run bench`. */
import type { Compute } from '../src/whisper/compute.ts';

export interface BenchOptions {
  /** Hugging Face folder, of either form of weights. */
  readonly model: string;
  /** The same model in float16. */
  readonly float16: string;
  /** The same model as CTranslate2 has it. */
  readonly ctranslate2: string;
  /** Recordings beside those in samples/. */
  readonly recordings: string;
  /** Sources, and targets, of `retrieval`. */
  readonly clips: number;
  /** Recordings of the larger corpus of corpus-size, or of `paper`. Default: 300,000, or the paper's. */
  readonly rows?: number;
  /** `paper`: steps of training; those of an earlier run count. */
  readonly steps: number;
  /** The same as whisper.cpp has it. */
  readonly whisperCpp: string;
  /** `long-audio`, `transcribe`, `serve`: what ours computes with. */
  readonly compute: Compute;
  /** `serve`: minutes at twice the capacity, instead of the comparison. */
  readonly soak?: number;
  /** `long-audio`, `compute`: turns of each side. */
  readonly rounds: number;
  /** `paper`: only this model; `long-audio`, `compute`: only these recordings and settings, with commas between. */
  readonly only?: string;
  /** Number of queries in `retrieval-scale`. Default: all */
  readonly sources?: number;
  /** Number of these that are compared with all targets frame by frame. */
  readonly exact: number;
  /** `retrieval-scale`: ends when so many are over; run again, it goes on. Default: no end */
  readonly seconds?: number;
  /** `long-audio`: a file of music. Default: a synthesiser's */
  readonly music?: string;
}
