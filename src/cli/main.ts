#!/usr/bin/env node
/** The command line, run. */
import { run } from './program.ts';

const GRACE_MS = 10_000;

// A reader that closed the pipe ("| head") has what it wanted.
process.stdout.on('error', (error: NodeJS.ErrnoException) => process.exit(error.code === 'EPIPE' ? 0 : 1));
process.exitCode = await run(process.argv.slice(2));
// Interrupted work still ends its last step, and leaves files whole.
if (process.exitCode > 128) setTimeout(() => process.exit(), GRACE_MS).unref();
