#!/usr/bin/env node
/** The command line, run. */
import { reasonOf } from '../files/system-error.ts';
import { run } from './program.ts';

/** Files are whole at any moment: after it only an empty folder or a temporary file may stay. */
const GRACE_MS = 1500;

// A reader that closed the pipe ("| head") has what it wanted.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(0);
  process.stderr.write(`error: standard output: cannot be written: ${reasonOf(error) ?? error.message}\n`);
  process.exit(2);
});
// Progress that nobody reads any more does not end the work.
process.stderr.on('error', () => {});
process.exitCode = await run(process.argv.slice(2));
// Interrupted work may end the graph run that it is in, and removes what it has begun.
if (process.exitCode > 128) setTimeout(() => process.exit(), GRACE_MS).unref();
