/** Progress of long work on standard error, so that results on standard output stay clean. */
import { formatNumber } from '../report/format.ts';
import { type Progress, startProgress, type WorkOptions } from '../report/progress.ts';
import { interruptSignal } from './interrupt.ts';
import { printNote } from './options.ts';

export interface ShownWork extends Required<WorkOptions> {
  readonly signal: AbortSignal;
  /** Ends the line of progress, where one is open. */
  readonly end: () => void;
}

/**
 * Shows progress, and aborts `signal` at Ctrl-C (interrupt.ts).
 * @param continues what an interrupted user does to continue, such as "--resume continues"
 */
export function showWork(continues?: string): ShownWork {
  let shown: { stage: string; progress: Progress; resumed: number; done: number; total: number } | undefined;
  let ended: string | undefined;
  const end = (note?: string): void => {
    shown?.progress.done(note);
    shown = undefined;
  };
  const signal = interruptSignal(() => {
    const at = shown && `${shown.stage}, ${formatNumber(shown.done)}${ofTotal(shown.total)}`;
    return [at ? `stopped: ${at}` : 'stopped', continues].filter(Boolean).join('; ');
  });
  signal.addEventListener('abort', () => end());
  return {
    signal,
    onProgress: ({ stage, done, total, note, resumed = 0 }) => {
      if (signal.aborted) return;
      if (stage === ended && done >= total && total > 0) return;
      ended = undefined;
      if (shown?.stage !== stage) {
        end();
        shown = { stage, progress: startProgress(stage, total, { from: resumed }), resumed, done, total };
      }
      Object.assign(shown, { done, total });
      shown.progress.skip(resumed - shown.resumed);
      shown.resumed = resumed;
      shown.progress.update(done, note);
      if (done < total || total === 0) return;
      end(note ?? '');
      ended = stage;
    },
    onSkip: (reason) => process.stderr.write(`skipped: ${reason}\n`),
    onNote: printNote,
    end: () => end(),
  };
}

const ofTotal = (total: number): string => (total > 0 ? ` of ${formatNumber(total)}` : '');
