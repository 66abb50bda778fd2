/** What became of the recordings of a synthetic corpus: counts by voice and reason, and the distribution of error rates. */
import { formatNumber } from '../report/format.ts';
import type { SynthesisRecord } from './recorder.ts';

/** Upper bounds of the classes of character error rates. */
const CLASSES = [0, 0.05, 0.1, 0.2, 0.3, 0.5, 1];

export interface VoiceSummary {
  readonly voice: string;
  readonly recordings: number;
  readonly kept: number;
  readonly misread: number;
  /** Without sound, too long, or of an engine that failed. */
  readonly failed: number;
  /** Of those kept. */
  readonly hours: number;
  /** Mean, median and 90th percentile of the character error rates of all that were read back, each 1 at most; null: none was. */
  readonly mean: number | null;
  readonly median: number | null;
  readonly p90: number | null;
}

export interface SynthesisSummary {
  readonly manifest: string;
  readonly recordings: number;
  readonly kept: number;
  readonly hours: number;
  /** Recordings that were left out, by reason. */
  readonly dropped: Readonly<Record<string, number>>;
  /** Texts that were not spoken, by reason. */
  readonly skipped: Readonly<Record<string, number>>;
  readonly voices: readonly VoiceSummary[];
  /** Recordings by character error rate: above the bound before, up to this one. */
  readonly errorRates: readonly { readonly upTo: number; readonly recordings: number }[];
}

/** In a line: `12 misread, 1 too long`. */
export const reasonsIn = (counts: Readonly<Record<string, number>>): string =>
  Object.entries(counts)
    .map(([reason, count]) => `${formatNumber(count)} ${reason}`)
    .join(', ');

interface Counted {
  recordings: number;
  kept: number;
  misread: number;
  failed: number;
  seconds: number;
  readonly rates: number[];
}

export class SynthesisCounts {
  readonly #voices = new Map<string, Counted>();
  readonly #dropped: Record<string, number> = {};

  constructor(voices: readonly string[]) {
    for (const voice of voices)
      this.#voices.set(voice, { recordings: 0, kept: 0, misread: 0, failed: 0, seconds: 0, rates: [] });
  }

  add({ voice, dropped, seconds = 0, characterErrorRate: rate }: SynthesisRecord): void {
    const counted = this.#voices.get(voice)!;
    counted.recordings++;
    // A loop of the decoder would outweigh a hundred others.
    if (rate !== undefined) counted.rates.push(Math.min(1, rate));
    if (dropped !== undefined) {
      this.#dropped[dropped] = (this.#dropped[dropped] ?? 0) + 1;
      if (dropped === 'misread') counted.misread++;
      else counted.failed++;
      return;
    }
    counted.kept++;
    counted.seconds += seconds;
  }

  summary(manifest: string, skipped: ReadonlyMap<string, number>): SynthesisSummary {
    const voices = [...this.#voices].map(([voice, { rates, seconds, ...counts }]): VoiceSummary => {
      const sorted = Float64Array.from(rates).sort();
      const at = (share: number): number | null =>
        sorted.length === 0 ? null : sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))]!;
      const mean = sorted.length === 0 ? null : sorted.reduce((sum, rate) => sum + rate, 0) / sorted.length;
      return { voice, ...counts, hours: seconds / 3600, mean, median: at(0.5), p90: at(0.9) };
    });
    const total = (of: (voice: VoiceSummary) => number): number =>
      voices.reduce((sum, voice) => sum + of(voice), 0);
    const classes = CLASSES.map(() => 0);
    for (const { rates } of this.#voices.values())
      for (const rate of rates) classes[CLASSES.findIndex((bound) => rate <= bound)]!++;
    return {
      manifest,
      recordings: total(({ recordings }) => recordings),
      kept: total(({ kept }) => kept),
      hours: total(({ hours }) => hours),
      dropped: this.#dropped,
      skipped: Object.fromEntries(skipped),
      voices,
      errorRates: CLASSES.map((bound, i) => ({ upTo: bound, recordings: classes[i]! })),
    };
  }
}
