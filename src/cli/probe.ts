/** `whisper-transfer probe`: what can be read off the encoder's frozen layers? */
import { Command } from 'commander';
import { probeTestCommand } from './probe-test.ts';
import { probeTrainCommand } from './probe-train.ts';

export function probeCommand(): Command {
  return new Command('probe')
    .description(
      'train a small classifier of any labels on the frozen encoder, and see which layer knows them',
    )
    .addCommand(probeTrainCommand())
    .addCommand(probeTestCommand());
}
