/** What an evaluation measured: the schema of `scores.json`, and all that tables and page show. */

import type { Measured } from '../metrics/measure.ts';
import type { Machine } from '../report/machine.ts';

/** A model asked with one prompt, in one language or on the average over languages. */
export interface EvaluationRow {
  /** `translation into zh`, `recognition`; those of `--forgetting`: `translation into en`, `recognition`, `retrieval`. */
  readonly test: string;
  /** Whether `--forgetting` asked for it, and not the evaluation itself. */
  readonly forgetting: boolean;
  /** Name of the model: its folder's. */
  readonly model: string;
  /** One of the prompts for translation, `transcribe`, or '' where nothing is decoded. */
  readonly prompt: string;
  /** Code, `from→to` for retrieval, or 'average'. */
  readonly language: string;
  /** Of an average: how many languages. Each counts the same, however many clips it has. */
  readonly languages?: number;
  /** Clips that were scored. */
  readonly n: number;
  /** Why there is no score, such as a prompt that needs a token which the model does not have. */
  readonly notDefined?: string;
  /** By metric, in the order of the tables. Percent or 0 to 100, but COMET on its own scale. */
  readonly scores: Readonly<Record<string, Measured>>;
}

export const AVERAGE = 'average';

export interface EvaluatedModel {
  readonly name: string;
  /** As it was given. */
  readonly directory: string;
  /** Hash of the model's files. */
  readonly fingerprint: string;
  /** Hash of the encoder's weights: training the decoder alone leaves it as it was. */
  readonly encoderFingerprint: string;
  /** What its generation config says it was trained for; null: nothing of that kind. */
  readonly trained: {
    readonly target: string;
    readonly targets?: readonly string[] | undefined;
    readonly kind: string;
  } | null;
}

export interface EvaluationResults {
  readonly version: string;
  /** When it was finished, ISO 8601. */
  readonly date: string;
  readonly manifest: string;
  readonly selection: { readonly set: string | null; readonly language: string | null };
  readonly models: readonly EvaluatedModel[];
  /** Of decoding and encoding. */
  readonly settings: Readonly<Record<string, string | number | boolean>>;
  readonly resampling: { readonly test: string; readonly samples: number; readonly seed: number };
  /** By test and metric; more than one where languages are normalised differently. */
  readonly signatures: Readonly<Record<string, Readonly<Record<string, readonly string[]>>>>;
  readonly rows: readonly EvaluationRow[];
  /** Clips that could not be read. */
  readonly unreadable: readonly { readonly audio: string; readonly error: string }[];
  /** What a reader of the numbers has to know: prompts that are not defined, clips without a reference. */
  readonly notes: readonly string[];
  /** Wall-clock time of this run; what an earlier run had decoded is not in it. */
  readonly seconds: number;
  readonly machine: Machine;
}

/** A sentence to look at, with what all models made of it. */
export interface WorstSentence {
  readonly language: string;
  readonly audio: string;
  readonly reference: string;
  readonly sourceText: string;
  readonly hypotheses: readonly {
    readonly model: string;
    readonly prompt: string;
    readonly text: string;
    /** Sentence chrF (0 to 100), or word error rate (percent). */
    readonly score: number;
  }[];
  /** The recording as a data URI, or why it is not there. */
  readonly player: { readonly uri: string } | { readonly missing: string };
}

export const METRIC_HEADINGS: Readonly<Record<string, string>> = {
  bleu: 'BLEU',
  chrf: 'chrF',
  'chrf++': 'chrF++',
  ter: 'TER',
  wer: 'WER',
  cer: 'CER',
  mer: 'MER',
  'off-target': 'off-target',
  hallucination: 'halluc.',
  comet: 'COMET',
  'r@1': 'R@1',
};
