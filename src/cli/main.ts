#!/usr/bin/env node
/** The command line, run. */
import { run } from './program.ts';

// A reader that closed the pipe ("| head") has what it wanted.
process.stdout.on('error', (error: NodeJS.ErrnoException) => process.exit(error.code === 'EPIPE' ? 0 : 1));
process.exitCode = await run(process.argv.slice(2));
