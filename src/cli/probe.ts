/** `whisper-transfer probe`: classifiers on the encoder's frozen layers. */
import type { Command } from 'commander';
import { probeTestCommand } from './probe-test.ts';
import { PROBE_EXAMPLE, probeTrainCommand } from './probe-train.ts';

export function probeCommand(command: Command): Command {
  probeTrainCommand(command.command('train'));
  probeTestCommand(command.command('test'));
  return command.addHelpText('after', PROBE_EXAMPLE);
}
