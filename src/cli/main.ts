#!/usr/bin/env node
/** The command line. Each command is a file of its own. */
import { readFileSync } from 'node:fs';
import { Command, CommanderError } from 'commander';
import { UserError } from '../errors.ts';
import { analyseCommand } from './analyse.ts';
import { demoCommand } from './demo.ts';
import { encodeCommand } from './encode.ts';
import { evaluateCommand } from './evaluate.ts';
import { lmCommand } from './lm.ts';
import { manifestCommand } from './manifest.ts';
import { probeCommand } from './probe.ts';
import { quantizeCommand } from './quantize.ts';
import { retrieveCommand } from './retrieve.ts';
import { scoreCommand } from './score.ts';
import { speakerCommand } from './speaker.ts';
import { trainCommand } from './train.ts';
import { transcribeCommand, translateCommand } from './transcribe.ts';

const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'));

const program = new Command('whisper-transfer')
  .description('Teach Whisper new target languages from English speech alone.')
  .version(version)
  .showHelpAfterError('(add --help for the options and an example)')
  .exitOverride();
for (const command of [
  demoCommand(),
  transcribeCommand(),
  translateCommand(),
  encodeCommand(),
  retrieveCommand(),
  analyseCommand(),
  trainCommand(),
  evaluateCommand(),
  probeCommand(),
  speakerCommand(),
  scoreCommand(),
  quantizeCommand(),
  lmCommand(),
  manifestCommand(),
]) {
  program.addCommand(
    command.exitOverride().showHelpAfterError('(add --help for the options and an example)'),
  );
}

// A reader that closed the pipe ("| head") has what it wanted.
process.stdout.on('error', (error: NodeJS.ErrnoException) => process.exit(error.code === 'EPIPE' ? 0 : 1));

try {
  await program.parseAsync();
} catch (error) {
  if (error instanceof CommanderError) process.exitCode = error.exitCode === 0 ? 0 : 2;
  else if (error instanceof UserError) {
    process.stderr.write(`error: ${error.message}\n`);
    process.exitCode = 2;
  } else throw error;
}
