#!/usr/bin/env node
/** The command line, run. */
import { reasonOf } from '../files/system-error.ts';
import { run } from './program.ts';

const GRACE_MS = 10_000;

// A reader that closed the pipe ("| head") has what it wanted.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(0);
  process.stderr.write(`error: standard output: cannot be written: ${reasonOf(error) ?? error.message}\n`);
  process.exit(2);
});
process.exitCode = await run(process.argv.slice(2));
// Interrupted work still ends its last step, and leaves files whole.
if (process.exitCode > 128) setTimeout(() => process.exit(), GRACE_MS).unref();
