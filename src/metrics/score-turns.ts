/** Diarization error rate of RTTM files: of each recording and of all, with a bootstrap interval. */
import { UserError } from '../errors.ts';
import { readText } from '../files/read.ts';
import {
  type DiarizationErrorOptions,
  type DiarizationErrors,
  diarizationErrorRate,
  diarizationErrors,
} from './diarization-error.ts';
import { parseRttm } from './rttm.ts';
import { bootstrap, type Interval } from './significance.ts';

export interface ScoredTurns extends DiarizationErrors {
  readonly rate: number;
  /** Number of speakers of the reference and of the hypothesis. */
  readonly speakers: { readonly reference: number; readonly hypothesis: number };
}

export interface TurnScores {
  readonly recordings: ReadonlyMap<string, ScoredTurns>;
  /** Of the time of all recordings together. */
  readonly all: ScoredTurns;
  /** Of its rate, by resampling of the recordings; none of a single one. */
  readonly interval?: Interval;
}

/**
 * @param reference path of an RTTM file
 * @param hypothesis path of an RTTM file; a recording without a turn there counts as silence
 * @throws UserError where a file is not RTTM, or the hypothesis has a recording that the reference lacks
 */
export async function scoreTurns(
  reference: string,
  hypothesis: string,
  options: DiarizationErrorOptions & { readonly seed?: number } = {},
): Promise<TurnScores> {
  const read = async (file: string) => parseRttm(await readText(file, 'an RTTM file'), file);
  const [truth, guess] = [await read(reference), await read(hypothesis)];
  const unknown = [...guess.keys()].find((name) => !truth.has(name));
  if (unknown !== undefined) {
    throw new UserError(
      `${hypothesis}: found the recording "${unknown}"; expected those of ${reference}: ${[...truth.keys()].slice(0, 5).join(', ')}`,
    );
  }
  const recordings = new Map<string, ScoredTurns>();
  for (const [name, turns] of truth) {
    const found = guess.get(name) ?? [];
    const errors = diarizationErrors(turns, found, options);
    const count = (some: readonly { readonly speaker: string }[]) =>
      new Set(some.map(({ speaker }) => speaker)).size;
    const speakers = { reference: count(turns), hypothesis: count(found) };
    recordings.set(name, { ...errors, rate: diarizationErrorRate(errors), speakers });
  }
  const rows = [...recordings.values()].map((one) => [
    one.missed + one.falseAlarm + one.confusion,
    one.total,
  ]);
  const sum = (value: (one: ScoredTurns) => number) =>
    [...recordings.values()].reduce((total, one) => total + value(one), 0);
  const errors = {
    total: sum(({ total }) => total),
    missed: sum(({ missed }) => missed),
    falseAlarm: sum(({ falseAlarm }) => falseAlarm),
    confusion: sum(({ confusion }) => confusion),
  };
  return {
    recordings,
    all: {
      ...errors,
      rate: diarizationErrorRate(errors),
      speakers: {
        reference: sum(({ speakers }) => speakers.reference),
        hypothesis: sum(({ speakers }) => speakers.hypothesis),
      },
    },
    ...(rows.length > 1 && {
      interval: bootstrap(rows, ([wrong, total]) => (total! > 0 ? wrong! / total! : 0), {
        ...(options.seed !== undefined && { seed: options.seed }),
      }),
    }),
  };
}
