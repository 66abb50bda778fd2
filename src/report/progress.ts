import { fitWidth } from './display-width.ts';
import { withoutControls } from './escape.ts';
import { formatBytes, formatClock, formatDuration, formatNumber, formatPercent } from './format.ts';

const REDRAW_SECONDS = 0.1; // more often cannot be read, and costs time
const LINE_SECONDS = 10; // in a log file

/** Progress of a stage of long work. A stage ends with `done` = `total`; 0: not known yet. */
export interface StageProgress {
  readonly stage: string;
  readonly done: number;
  readonly total: number;
  readonly note?: string | undefined;
  /** Part of `done` from an earlier run. Default 0. */
  readonly resumed?: number;
  /** What `done` and `total` count. Default `items`. */
  readonly unit?: ProgressUnit;
}

/** `audio`: seconds of recordings. */
export type ProgressUnit = 'items' | 'audio' | 'bytes';

/** Callbacks and abort signal of long work, which prints nothing itself. */
export interface WorkOptions {
  readonly onProgress?: ((progress: StageProgress) => void) | undefined;
  /** Called with the reason, one line, where a clip or file is skipped. */
  readonly onSkip?: ((reason: string) => void) | undefined;
  /** Called with a note to the user, one line. */
  readonly onNote?: ((note: string) => void) | undefined;
  /** See abort.ts. */
  readonly signal?: AbortSignal | undefined;
}

/**
 * Begins a stage at 0.
 * @returns the function that reports how much of `total` is done; it throws the reason of an aborted signal
 */
export function stageProgress(
  { onProgress, signal }: Pick<WorkOptions, 'onProgress' | 'signal'>,
  stage: string,
  total: number,
): (done: number, note?: string) => void {
  const update = (done: number, note?: string) => {
    signal?.throwIfAborted();
    onProgress?.({ stage, done, total, note });
  };
  update(0);
  return update;
}

export interface ProgressStream {
  isTTY?: boolean;
  columns?: number;
  write: (text: string) => unknown;
}

export interface ProgressOptions {
  /** @default process.stderr, so that results on standard output stay clean */
  stream?: ProgressStream;
  /** Print nothing. @default false */
  quiet?: boolean;
  /** Items done by an earlier run, excluded from the rate. @default 0 */
  from?: number;
  /** @default 'items' */
  unit?: ProgressUnit;
}

export interface Progress {
  /** `done` of the total are done, in all; `note` is shown at the end of the line. */
  update(done: number, note?: string): void;
  /** Excludes `amount` of the remaining items from the rate: they are already done. */
  skip(amount: number): void;
  /** Takes the line out of a terminal, so that other text has room, until the next update. */
  clear(): void;
  /** Writes the last line with the time it took. Later calls do nothing. */
  done(note?: string): void;
}

/**
 * Shows how far `label` has come out of `total`: one line that rewrites itself in a terminal; elsewhere a line
 * every ten seconds at most, and one at the end. A `total` that is not a positive number means unknown.
 */
export function startProgress(label: string, total: number, options: ProgressOptions = {}): Progress {
  const { stream = process.stderr, quiet = false, unit = 'items' } = options;
  let { from = 0 } = options;
  if (quiet) return { update: () => {}, skip: () => {}, clear: () => {}, done: () => {} };
  const start = performance.now();
  const known = Number.isFinite(total) && total > 0;
  let current = from;
  let lastNote = '';
  let lastDrawn = stream.isTTY ? Number.NEGATIVE_INFINITY : start;
  let ended = false;

  const draw = (parts: string[], end: string): void => {
    const line = withoutControls([label, ...parts].filter(Boolean).join('  ')).replace(/[\t\r\n]+/g, ' ');
    // A line that wraps cannot be rewritten; the last column is left free because some terminals wrap on it.
    if (stream.isTTY) stream.write(`\r\u001b[2K${fitWidth(line, (stream.columns || 80) - 1)}${end}`);
    else stream.write(`${line}\n`);
  };
  const amount = AMOUNTS[unit];
  const count = (): string => (known ? `${amount(current)} of ${amount(total)}` : amount(current));

  return {
    update(done, note = '') {
      if (ended) return;
      if (Number.isFinite(done)) current = done;
      lastNote = note;
      const now = performance.now();
      if (now - lastDrawn < (stream.isTTY ? REDRAW_SECONDS : LINE_SECONDS) * 1000) return;
      lastDrawn = now;
      const rate = (current - from) / ((now - start) / 1000);
      const moving = Number.isFinite(rate) && rate > 0;
      const left = known && moving ? formatDuration(Math.max(0, total - current) / rate) : '';
      const percent = known ? formatPercent(Math.min(1, current / total)).padStart(5) : '';
      draw([percent, count(), moving ? RATES[unit](rate) : '', left && `${left} left`, note], '');
    },
    skip(more) {
      from += more;
    },
    clear() {
      if (ended || !stream.isTTY || lastDrawn === Number.NEGATIVE_INFINITY) return;
      stream.write('\r\u001b[2K');
      lastDrawn = Number.NEGATIVE_INFINITY;
    },
    done(note = lastNote) {
      if (ended) return;
      ended = true;
      draw([count(), `in ${formatDuration((performance.now() - start) / 1000)}`, note], '\n');
    },
  };
}

function formatRate(rate: number): string {
  return rate < 0.5 ? `${formatNumber(1 / rate, 1)} s each` : `${formatNumber(rate, rate < 10 ? 1 : 0)}/s`;
}

/** Seconds of audio in a second. */
export const formatSpeed = (rate: number): string => `${formatNumber(rate, rate < 10 ? 1 : 0)}x real time`;

const AMOUNTS: Readonly<Record<ProgressUnit, (value: number) => string>> = {
  items: (value) => formatNumber(value),
  audio: formatClock,
  bytes: formatBytes,
};

const RATES: Readonly<Record<ProgressUnit, (rate: number) => string>> = {
  items: formatRate,
  audio: formatSpeed,
  bytes: (rate) => `${formatBytes(rate)}/s`,
};
