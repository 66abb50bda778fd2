/** The file of predictions: written as they come, so that an interrupted evaluation resumes. */
import { fingerprint } from '../files/fingerprint.ts';
import { ResumableLines } from '../files/resumable-lines.ts';
import type { SentenceScores } from './measures.ts';

/** All that a prediction depends on: with an equal key an earlier one is reused. */
export interface PredictionKey {
  readonly test: string;
  /** Hash of the model's files. */
  readonly fingerprint: string;
  /** Hash of the decoding settings, which are in `scores.json`. */
  readonly settings: string;
  /** Name of the prompt, and its tokens as text. */
  readonly prompt: string;
  readonly promptTokens: string;
  /** Audio path relative to the manifest. */
  readonly audio: string;
}

export interface PredictedText {
  readonly hypothesis: string;
  /** Mean over the tokens, end of text included; nats. */
  readonly averageLogProbability: number;
}

/** A line of the file. A clip that could not be read has an `error` instead of a prediction. */
export interface Prediction extends PredictionKey, Partial<PredictedText>, SentenceScores {
  readonly model: string;
  readonly language: string;
  readonly key: string;
  readonly reference: string;
  readonly sourceText: string;
  readonly error?: string;
}

export class PredictionsFile {
  private constructor(private readonly lines: ResumableLines<Prediction>) {}

  /**
   * Opens the file. With `resume` its predictions are kept, except for clips that could not be read.
   * @throws UserError when the file does not hold predictions, or cannot be written
   */
  static async open(path: string, resume: boolean): Promise<PredictionsFile> {
    return new PredictionsFile(
      await ResumableLines.open<Prediction>(path, {
        resume,
        start: '{"test":"',
        expected: 'a prediction of an earlier run to resume',
        keyOf: keyText,
        keep: ({ hypothesis }) => hypothesis !== undefined,
      }),
    );
  }

  get(key: PredictionKey): PredictedText | undefined {
    const found = this.lines.get(keyText(key));
    return found?.hypothesis === undefined ? undefined : (found as PredictedText);
  }

  has(key: PredictionKey): boolean {
    return this.lines.has(keyText(key));
  }

  add(predictions: readonly Prediction[]): Promise<void> {
    return this.lines.addAll(predictions);
  }

  /** Rewrites the file with only the predictions of the tables, in their order. */
  finish(predictions: Iterable<Prediction>): Promise<void> {
    return this.lines.finish(predictions);
  }

  /** Predictions of the finished file, read as they are iterated over: `count` of them from `first` on. */
  slice(first: number, count: number): Iterable<Prediction> {
    return { [Symbol.iterator]: () => this.lines.slice(first, count) };
  }
}

/** Short: the keys of all predictions are in memory. */
function keyText({ test, fingerprint: model, settings, prompt, promptTokens, audio }: PredictionKey): string {
  return fingerprint(JSON.stringify([test, model, settings, prompt, promptTokens, audio]), 32);
}
