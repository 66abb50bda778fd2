/** `metrics.jsonl`: the numbers of a training run as it goes, one JSON object a step or evaluation. */
import { appendFile, readFile, rename, writeFile } from 'node:fs/promises';
import { UserError } from '../errors.ts';
import { paddingShares } from './batches.ts';
import type { Evaluation } from './dev-evaluation.ts';
import type { StepReport } from './train.ts';

/** Resident memory now and at its highest, MB. */
export function memoryMb(): { memoryMb: number; peakMemoryMb: number } {
  return {
    memoryMb: Math.round(process.memoryUsage.rss() / 1e6),
    peakMemoryMb: Math.round((process.resourceUsage().maxRSS * 1024) / 1e6),
  };
}

export class MetricsFile {
  private constructor(readonly path: string) {}

  /**
   * Keeps the lines up to a step: those after it were written by a run that was stopped before its next checkpoint, and
   * are made again. A last line that was cut off goes.
   * @param step 0: an empty file
   */
  static async open(path: string, step: number): Promise<MetricsFile> {
    const metrics = new MetricsFile(path);
    await metrics.#checked(async () => {
      const text = step > 0 ? await readFile(path, 'utf8').catch(() => '') : '';
      const kept = text
        .split('\n')
        .slice(0, -1)
        .filter((line) => stepOf(line) <= step);
      await writeFile(`${path}.incomplete`, kept.map((line) => `${line}\n`).join(''));
      await rename(`${path}.incomplete`, path);
    });
    return metrics;
  }

  addStep({ size, ...report }: StepReport): Promise<void> {
    const { frames, tokens } = paddingShares([size]);
    return this.#add({
      ...report,
      clips: size.clips,
      framePadding: frames,
      tokenPadding: tokens,
      tokensPerSecond: report.tokens / report.seconds,
      ...memoryMb(),
    });
  }

  addEvaluation({ seconds, ...evaluation }: Evaluation): Promise<void> {
    return this.#add({ ...devMetrics(evaluation), seconds, ...memoryMb() });
  }

  #add(line: object): Promise<void> {
    return this.#checked(() => appendFile(this.path, `${JSON.stringify(line)}\n`));
  }

  async #checked(write: () => Promise<void>): Promise<void> {
    try {
      await write();
    } catch (error) {
      throw new UserError(`${this.path}: cannot be written: ${(error as Error).message}`);
    }
  }
}

/** An evaluation as files and `train --json` name its values. */
export function devMetrics({ step, loss, bleu, chrf, targets }: Omit<Evaluation, 'seconds'>) {
  return { step, devLoss: loss, devBleu: bleu, devChrf: chrf, ...(targets && { devTargets: targets }) };
}

function stepOf(line: string): number {
  try {
    return (JSON.parse(line) as { step: number }).step;
  } catch {
    return Number.POSITIVE_INFINITY;
  }
}
