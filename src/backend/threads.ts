/** How many threads compute where a program does not say. */
import { availableParallelism } from 'node:os';
import { UserError } from '../errors.ts';

/** Variable of the environment with the number of threads; the flag --threads sets it. */
export const THREADS_VARIABLE = 'WHISPER_TRANSFER_THREADS';

/** @throws UserError where the variable is no number of threads */
export function defaultThreads(): number {
  const given = process.env[THREADS_VARIABLE];
  if (given === undefined || given === '') return availableParallelism();
  const threads = Number(given);
  if (!Number.isSafeInteger(threads) || threads < 1) {
    throw new UserError(`${THREADS_VARIABLE}: found "${given}"; expected a whole number from 1`);
  }
  return threads;
}
