/** The file of predictions: written as they come, so that an evaluation that was stopped can go on. */
import { appendFile, mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { UserError } from '../errors.ts';
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

const LINE_START = '{"test":"';

export class PredictionsFile {
  private constructor(
    readonly path: string,
    readonly kept: ReadonlyMap<string, PredictedText>,
  ) {}

  /**
   * With `resume` the answers in the file are kept, but for clips that could not be read: these are tried again. A last
   * line that was cut off goes.
   * @throws UserError when the file is none of predictions, or cannot be written
   */
  static async open(path: string, resume: boolean): Promise<PredictionsFile> {
    try {
      await mkdir(dirname(path), { recursive: true });
      const lines = (resume ? await readLines(path) : []).filter(
        ({ prediction }) => prediction.hypothesis !== undefined,
      );
      await writeWhole(
        path,
        lines.map(({ line }) => line),
      );
      const kept = new Map(
        lines.map(({ prediction }) => [questionKey(prediction), prediction as PredictedText] as const),
      );
      return new PredictionsFile(path, kept);
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (error instanceof UserError || !code) throw error;
      throw new UserError(`${path}: found a place that cannot be written to (${code}); expected a file`);
    }
  }

  get(question: PredictionKey): PredictedText | undefined {
    return this.kept.get(questionKey(question));
  }

  add(predictions: readonly Prediction[]): Promise<void> {
    return appendFile(this.path, predictions.map((prediction) => `${JSON.stringify(prediction)}\n`).join(''));
  }

  /** What the tables are made of, in their order, and nothing else. */
  finish(predictions: readonly Prediction[]): Promise<void> {
    return writeWhole(
      this.path,
      predictions.map((prediction) => JSON.stringify(prediction)),
    );
  }
}

function questionKey({ test, fingerprint, settings, prompt, promptTokens, audio }: PredictionKey): string {
  return JSON.stringify([test, fingerprint, settings, prompt, promptTokens, audio]);
}

async function readLines(path: string): Promise<{ line: string; prediction: Prediction }[]> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
  const lines = text.split('\n');
  lines.pop(); // what follows the last line break: nothing, or a line that was cut off
  return lines.map((line, i) => {
    try {
      if (!line.startsWith(LINE_START)) throw new SyntaxError();
      return { line, prediction: JSON.parse(line) as Prediction };
    } catch {
      const found = JSON.stringify(line.length > 40 ? `${line.slice(0, 40)}…` : line);
      throw new UserError(
        `${path}:${i + 1}: found ${found}; expected a prediction of an earlier run to go on from`,
      );
    }
  });
}

/** Whole or not at all: what was there stays until all of the new is written. */
async function writeWhole(path: string, lines: readonly string[]): Promise<void> {
  await writeFile(`${path}.incomplete`, withLineBreaks(lines));
  await rename(`${path}.incomplete`, path);
}

function* withLineBreaks(lines: readonly string[]): Generator<string> {
  for (const line of lines) yield `${line}\n`;
}
