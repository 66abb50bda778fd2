/** `metrics.jsonl`: the metrics of a training run, one JSON object per step or evaluation. */
import { ResumableLines } from '../files/resumable-lines.ts';
import { paddingShares } from './batches.ts';
import type { DevEvaluation } from './dev-evaluation.ts';
import type { StepReport } from './train.ts';

/** Resident memory now and at its highest, MB. */
export function memoryMb(): { memoryMb: number; peakMemoryMb: number } {
  return {
    memoryMb: Math.round(process.memoryUsage.rss() / 1e6),
    peakMemoryMb: Math.round((process.resourceUsage().maxRSS * 1024) / 1e6),
  };
}

/** A line: a step, or an evaluation. */
interface Line {
  readonly step: number;
  readonly devLoss?: number;
  readonly [number: string]: unknown;
}

export class MetricsFile {
  private constructor(private readonly lines: ResumableLines<Line>) {}

  /**
   * Keeps the lines up to a step: later ones were written by a run that stopped before its next checkpoint, and are
   * repeated.
   * @param step 0: an empty file
   */
  static async open(path: string, step: number): Promise<MetricsFile> {
    return new MetricsFile(
      await ResumableLines.open<Line>(path, {
        resume: step > 0,
        keyOf: ({ step, devLoss }) => `${devLoss === undefined ? 'step' : 'evaluation'} ${step}`,
        keep: (line) => line.step <= step,
      }),
    );
  }

  addStep({ size, ...report }: StepReport): Promise<void> {
    const { frames, tokens } = paddingShares([size]);
    return this.lines.add({
      ...report,
      clips: size.clips,
      framePadding: frames,
      tokenPadding: tokens,
      tokensPerSecond: report.tokens / report.seconds,
      ...memoryMb(),
    });
  }

  addEvaluation({ seconds, ...evaluation }: DevEvaluation): Promise<void> {
    return this.lines.add({ ...devMetrics(evaluation), seconds, ...memoryMb() });
  }
}

/** An evaluation as files and `train --json` name its values. */
export function devMetrics({ step, loss, bleu, chrf, targets }: Omit<DevEvaluation, 'seconds'>) {
  return { step, devLoss: loss, devBleu: bleu, devChrf: chrf, ...(targets && { devTargets: targets }) };
}
