/** Results of an evaluation: the schema of `scores.json`, and all that tables and page show. */

import type { Measured } from '../metrics/measure.ts';
import type { Player } from '../report/clip-card.ts';
import type { Machine } from '../report/machine.ts';

/** Scores of a model with one prompt, in one language or averaged over languages. */
export interface EvaluationRow {
  /** `translation into zh`, `recognition`; those of `--forgetting`: `translation into en`, `recognition`, `retrieval`. */
  readonly test: string;
  /** Whether it belongs to `--forgetting`, not to the evaluation itself. */
  readonly forgetting: boolean;
  /** Name of the model: its folder's. */
  readonly model: string;
  /** One of the prompts for translation, `transcribe`, or '' where nothing is decoded. */
  readonly prompt: string;
  /** Code, `from→to` for retrieval, or 'average'. */
  readonly language: string;
  /** For an average: number of languages. Each counts the same, however many clips it has. */
  readonly languages?: number;
  /** Clips that were scored. */
  readonly n: number;
  /** Why there is no score, such as a prompt that needs a token which the model does not have. */
  readonly notDefined?: string;
  /** Scores by metric, in the order of the tables. Percent or 0 to 100, but COMET on its own scale. */
  readonly scores: Readonly<Record<string, Measured>>;
}

export const AVERAGE = 'average';

/** Name of the test of the English texts that a translation English first begins with. */
export const ENGLISH_HALF = 'English half';

/** Rows of the evaluation itself. */
export const mainRows = ({ rows }: Pick<EvaluationResults, 'rows'>): EvaluationRow[] =>
  rows.filter(({ test, forgetting }) => !forgetting && test !== ENGLISH_HALF);

export interface EvaluatedModel {
  readonly name: string;
  /** Path as the user gave it. */
  readonly directory: string;
  /** Hash of the model's files. */
  readonly fingerprint: string;
  /** Hash of the encoder's weights: training the decoder alone leaves it as it was. */
  readonly encoderFingerprint: string;
  /** Target and prompt that its generation config records from training; null: none. */
  readonly trained: {
    readonly target: string;
    readonly targets?: readonly string[] | undefined;
    readonly kind: string;
  } | null;
}

export interface EvaluationResults {
  readonly version: string;
  /** End of the evaluation, ISO 8601. */
  readonly date: string;
  readonly manifest: string;
  readonly selection: { readonly set: string | null; readonly language: string | null };
  readonly models: readonly EvaluatedModel[];
  /** Settings of decoding and encoding. */
  readonly settings: Readonly<Record<string, string | number | boolean>>;
  readonly resampling: { readonly test: string; readonly samples: number; readonly seed: number };
  /** Signatures by test and metric; more than one where languages are normalised differently. */
  readonly signatures: Readonly<Record<string, Readonly<Record<string, readonly string[]>>>>;
  readonly rows: readonly EvaluationRow[];
  /** Clips that could not be read. */
  readonly unreadable: readonly { readonly audio: string; readonly error: string }[];
  /** Notes for readers of the numbers: prompts that are not defined, clips without a reference. */
  readonly notes: readonly string[];
  /** Wall-clock seconds of this run; without the decoding of an earlier one. */
  readonly seconds: number;
  readonly machine: Machine;
}

/** A sentence to look at, with the outputs of all models. */
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
  /** The recording as a data URI, or the reason why it is missing. */
  readonly player: Player;
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
