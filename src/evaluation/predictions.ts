/** The file of predictions: written as they come, so that an evaluation that was stopped can go on. */
import { ResumableLines } from '../files/resumable-lines.ts';
import type { SentenceScores } from './measures.ts';

/** What a model makes of a clip depends on this: where all of it is the same, an earlier result is as good. */
export interface PredictionKey {
  readonly test: string;
  /** Hash of the model's files. */
  readonly fingerprint: string;
  /** Hash of how is decoded; `scores.json` has the settings themselves. */
  readonly settings: string;
  /** Name, and the tokens as text. */
  readonly prompt: string;
  readonly promptTokens: string;
  /** Relative to the manifest, as there. */
  readonly audio: string;
}

export interface PredictedText {
  readonly hypothesis: string;
  /** Mean over the tokens, end of text included; nats. */
  readonly averageLogProbability: number;
}

/** A line of the file. A clip that could not be read has an `error` instead of an answer. */
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
   * With `resume` the predictions in the file are kept, but for clips that could not be read: these are tried again.
   * @throws UserError when the file is none of predictions, or cannot be written
   */
  static async open(path: string, resume: boolean): Promise<PredictionsFile> {
    return new PredictionsFile(
      await ResumableLines.open<Prediction>(path, {
        resume,
        start: '{"test":"',
        expected: 'a prediction of an earlier run to go on from',
        keyOf: keyText,
        keep: ({ hypothesis }) => hypothesis !== undefined,
      }),
    );
  }

  get(key: PredictionKey): PredictedText | undefined {
    const found = this.lines.get(keyText(key));
    return found?.hypothesis === undefined ? undefined : (found as PredictedText);
  }

  add(predictions: readonly Prediction[]): Promise<void> {
    return this.lines.add(...predictions);
  }

  /** Leaves what the tables are made of, in their order, and nothing else. */
  finish(predictions: readonly Prediction[]): Promise<void> {
    return this.lines.replace(predictions);
  }
}

function keyText({ test, fingerprint, settings, prompt, promptTokens, audio }: PredictionKey): string {
  return JSON.stringify([test, fingerprint, settings, prompt, promptTokens, audio]);
}
