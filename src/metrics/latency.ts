/**
 * Latency of simultaneous translation, from logs in SimulEval's format: AL (Ma et al. 2019), LAAL (Papi et al. 2022), AP (Cho
 * and Esipova 2016), DAL (Cherry and Foster 2019) and YAAL (Polák et al. 2025, arXiv 2509.17349). Times are milliseconds.
 */
import { UserError } from '../errors.ts';
import { languageProfile } from '../language/profile.ts';

/** A sentence or utterance, as SimulEval logs it. */
export interface LatencyLine {
  readonly index: number;
  readonly prediction: string;
  /** For each unit of the prediction, how much of the source was heard when it was written. */
  readonly delays: readonly number[];
  /** The same by the clock: what computing took is in it. */
  readonly elapsed: readonly number[];
  readonly prediction_length: number;
  /** '' where none is known: the prediction's length counts then. */
  readonly reference: string;
  readonly source: readonly string[];
  /** Length of the source. */
  readonly source_length: number;
}

export const LATENCY_MEASURES = ['AL', 'LAAL', 'AP', 'DAL', 'YAAL'] as const;
export type LatencyMeasure = (typeof LATENCY_MEASURES)[number];
/** Milliseconds; of AP a share. NaN: no line has it. */
export type Latency = Readonly<Record<LatencyMeasure, number>>;

export interface LatencyOptions {
  /** Language of the texts: without spaces between words its characters are counted. */
  readonly language: string;
  /** Lines are of longer recordings, which go on after their sources: YAAL counts all units then. Default false. */
  readonly longForm?: boolean | undefined;
}

/** Units of a text: its words, or the characters of a language without spaces between them. */
export function latencyUnits(text: string, language: string): string[] {
  const trimmed = text.trim();
  if (trimmed === '') return [];
  return languageProfile(language).spaces ? trimmed.split(/\s+/) : [...trimmed];
}

/** Means over the lines that have text: computation-unaware, by `delays`, and -aware, by `elapsed`. */
export function latency(
  lines: readonly LatencyLine[],
  options: LatencyOptions,
): { readonly unaware: Latency; readonly aware: Latency } {
  const of = (times: 'delays' | 'elapsed'): Latency => {
    const measured = lines.flatMap((line) => lineLatency(line, line[times], options) ?? []);
    return Object.fromEntries(
      LATENCY_MEASURES.map((name) => {
        const values = measured.map((one) => one[name]).filter((value) => !Number.isNaN(value));
        return [name, values.reduce((a, b) => a + b, 0) / values.length];
      }),
    ) as Latency;
  };
  return { unaware: of('delays'), aware: of('elapsed') };
}

function lineLatency(
  { reference, source_length: source }: LatencyLine,
  times: readonly number[],
  { language, longForm = false }: LatencyOptions,
): Latency | undefined {
  if (times.length === 0 || source <= 0) return undefined;
  const length = reference.trim() === '' ? times.length : latencyUnits(reference, language).length;
  const adaptive = Math.max(times.length, length);
  return {
    AL: averageLagging(times, source, length),
    LAAL: averageLagging(times, source, adaptive),
    AP: sum(times) / (source * length),
    DAL: differentiableAverageLagging(times, source),
    YAAL: lagging(longForm ? times : times.slice(0, firstFrom(times, source)), source / adaptive),
  };
}

const sum = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0);

/** Index of the first time that is not before the end of the source; the number of times where all are. */
function firstFrom(times: readonly number[], source: number): number {
  const first = times.findIndex((time) => time >= source);
  return first < 0 ? times.length : first;
}

/** Up to the first unit that was written after the whole source. */
function averageLagging(times: readonly number[], source: number, length: number): number {
  if (times[0]! > source) return times[0]!;
  return lagging(times.slice(0, firstFrom(times, source) + 1), source / length);
}

/** Mean of what each time is behind a writer of even pace. NaN of none. @param pace milliseconds of source for a unit */
function lagging(times: readonly number[], pace: number): number {
  return sum(times.map((time, i) => time - i * pace)) / times.length;
}

function differentiableAverageLagging(times: readonly number[], source: number): number {
  const pace = source / times.length;
  let before = Number.NEGATIVE_INFINITY;
  const delayed = times.map((time) => {
    before = Math.max(time, before + pace);
    return before;
  });
  return lagging(delayed, pace);
}

/** @throws UserError for a line that is not one of SimulEval's */
export function parseLatencyLog(text: string, file: string): LatencyLine[] {
  return text
    .split('\n')
    .map((line, i) => ({ line, number: i + 1 }))
    .filter(({ line }) => line.trim() !== '')
    .map(({ line, number }) => {
      const found = parsed(line);
      const wrong = found === undefined ? 'no JSON object' : wrongField(found);
      if (wrong !== undefined) {
        throw new UserError(
          `${file}, line ${number}: found ${wrong}; expected a line of SimulEval's instances.log: ` +
            'index, prediction, delays, elapsed, source_length and reference',
        );
      }
      return { reference: '', ...found } as unknown as LatencyLine;
    });
}

function parsed(line: string): Record<string, unknown> | undefined {
  try {
    const value = JSON.parse(line);
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

function wrongField(line: Record<string, unknown>): string | undefined {
  const isTimes = (value: unknown): value is number[] => Array.isArray(value) && value.every(Number.isFinite);
  if (typeof line.prediction !== 'string') return 'no prediction';
  if (typeof (line.reference ?? '') !== 'string') return 'a reference that is no text';
  if (!(typeof line.source_length === 'number' && line.source_length >= 0)) return 'no source_length';
  for (const name of ['delays', 'elapsed']) if (!isTimes(line[name])) return `no ${name} in milliseconds`;
  const { delays, elapsed } = line as { delays: number[]; elapsed: number[] };
  return delays.length === elapsed.length
    ? undefined
    : `${delays.length} delays and ${elapsed.length} elapsed times`;
}
