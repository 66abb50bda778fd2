/** `whisper-transfer probe`: what can be read off the encoder's frozen layers? */
import type { Command } from 'commander';
import { probeTestCommand } from './probe-test.ts';
import { probeTrainCommand } from './probe-train.ts';

export function probeCommand(command: Command): Command {
  probeTrainCommand(command.command('train'));
  probeTestCommand(command.command('test'));
  return command;
}
