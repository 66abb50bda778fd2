/** Progress of long work on standard error, so that results on standard output stay clean. */
import { type Progress, startProgress, type WorkOptions } from '../report/progress.ts';
import { printNote } from './options.ts';

export interface ShownWork extends Required<Omit<WorkOptions, 'signal'>> {
  /** Ends the line of progress, where one is open. */
  readonly end: () => void;
}

export function showWork(): ShownWork {
  let shown: { stage: string; progress: Progress; resumed: number } | undefined;
  let ended: string | undefined;
  const end = (note?: string): void => {
    shown?.progress.done(note);
    shown = undefined;
  };
  return {
    onProgress: ({ stage, done, total, note, resumed = 0 }) => {
      if (stage === ended && done >= total && total > 0) return;
      ended = undefined;
      if (shown?.stage !== stage) {
        end();
        shown = { stage, progress: startProgress(stage, total, { from: resumed }), resumed };
      }
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
