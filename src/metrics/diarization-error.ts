/** Diarization error rate: the share of speech that is missed, invented, or given to the wrong speaker. */
import { bestAssignment } from './assignment.ts';

/** A stretch in which one speaker speaks, in seconds. */
export interface Turn {
  readonly start: number;
  readonly end: number;
  readonly speaker: string;
}

export interface DiarizationErrorOptions {
  /** Seconds around each beginning and end of a reference turn that are not scored, half before and half after. Default 0. */
  readonly collar?: number | undefined;
  /** Leave out where several speakers of the reference speak at once. Default false. */
  readonly skipOverlap?: boolean | undefined;
}

/** Seconds of speaker time. */
export interface DiarizationErrors {
  /** Of the reference: two speakers at once count twice. */
  readonly total: number;
  readonly missed: number;
  readonly falseAlarm: number;
  readonly confusion: number;
}

/** (missed + false alarm + confusion) / total, from 0; more than 1 where much is invented. */
export function diarizationErrorRate({ total, missed, falseAlarm, confusion }: DiarizationErrors): number {
  const errors = missed + falseAlarm + confusion;
  return total > 0 ? errors / total : Number(errors > 0);
}

/**
 * Errors of one recording, as pyannote.metrics computes them: speakers of the hypothesis are mapped to those of the
 * reference so that they share the most time (Hungarian method). Turns of one speaker that overlap count once.
 */
export function diarizationErrors(
  reference: readonly Turn[],
  hypothesis: readonly Turn[],
  { collar = 0, skipOverlap = false }: DiarizationErrorOptions = {},
): DiarizationErrors {
  const speakers = [...new Set(reference.map(({ speaker }) => speaker))];
  const guesses = [...new Set(hypothesis.map(({ speaker }) => speaker))];
  // What changes at which time: speakers of the reference, of the hypothesis, collars.
  const collars = speakers.length + guesses.length;
  const changes: { readonly time: number; readonly who: number; readonly by: number }[] = [];
  const add = (start: number, end: number, who: number): void => {
    if (!(end > start)) return;
    changes.push({ time: start, who, by: 1 }, { time: end, who, by: -1 });
  };
  for (const { start, end, speaker } of reference) {
    add(start, end, speakers.indexOf(speaker));
    if (!(end > start) || collar === 0) continue;
    for (const edge of [start, end]) add(edge - collar / 2, edge + collar / 2, collars);
  }
  for (const { start, end, speaker } of hypothesis)
    add(start, end, speakers.length + guesses.indexOf(speaker));
  changes.sort((a, b) => a.time - b.time);
  const active = new Int32Array(collars + 1);
  const pieces: { seconds: number; truth: number[]; guess: number[] }[] = [];
  const shared = speakers.map(() => guesses.map(() => 0));
  for (const [i, { time, who, by }] of changes.entries()) {
    active[who]! += by;
    const seconds = (changes[i + 1]?.time ?? time) - time;
    if (seconds <= 0 || active[collars]! > 0) continue;
    const truth = [...speakers.keys()].filter((speaker) => active[speaker]! > 0);
    const guess = [...guesses.keys()].filter((speaker) => active[speakers.length + speaker]! > 0);
    if ((skipOverlap && truth.length > 1) || truth.length + guess.length === 0) continue;
    pieces.push({ seconds, truth, guess });
    for (const a of truth) for (const b of guess) shared[a]![b]! += seconds;
  }
  const mapped = bestAssignment(shared);
  const errors = { total: 0, missed: 0, falseAlarm: 0, confusion: 0 };
  for (const { seconds, truth, guess } of pieces) {
    const right = truth.filter((speaker) => guess.includes(mapped[speaker]!)).length;
    errors.total += seconds * truth.length;
    errors.missed += seconds * Math.max(0, truth.length - guess.length);
    errors.falseAlarm += seconds * Math.max(0, guess.length - truth.length);
    errors.confusion += seconds * (Math.min(truth.length, guess.length) - right);
  }
  return errors;
}
