/** `whisper-transfer probe test` */
import { type Command, InvalidArgumentError } from 'commander';
import { modelOption, nameList, positiveInteger } from './options.ts';
import { showWork } from './show-work.ts';

const numbers = (value: string): number[] =>
  nameList(value).map((item) => {
    const number = Number(item);
    if (!Number.isFinite(number)) throw new InvalidArgumentError('Expected numbers, separated by commas.');
    return number;
  });

interface TestOptions {
  model: string;
  probe: string;
  output: string;
  set?: string[];
  snr: number[];
  noise?: string;
  reverberation: number[];
  impulses?: string;
  seed: number;
  cache: string;
}

export function probeTestCommand(command: Command): Command {
  return command
    .description('ask a trained probe about clips, as they are and under noise and reverberation')
    .argument('<manifest>', 'TSV or JSONL manifest with the column that the probe was trained on')
    .requiredOption('--probe <dir>', 'what "probe train --output" wrote')
    .requiredOption('--output <dir>', 'where results and report are written')
    .addOption(modelOption())
    .option('--set <sets>', 'use only these sets of the manifest (a,b)', nameList)
    .option('--snr <decibels>', 'add noise at these signal-to-noise ratios (20,10,0)', numbers, [])
    .option('--noise <folder>', 'recordings of noise; without, the noise is white')
    .option(
      '--reverberation <seconds>',
      'reverberate with synthetic rooms of these RT60 (0.3,1)',
      numbers,
      [],
    )
    .option('--impulses <folder>', 'reverberate with these recordings of impulse responses')
    .option('--seed <n>', 'of noise and rooms', positiveInteger, 1)
    .option('--cache <dir>', 'where features are kept between runs', 'out/cache')
    .addHelpText(
      'after',
      '\nExample:\n  $ whisper-transfer probe test samples/manifest.tsv --set new --probe out/probe-lang --snr 20,10,0 --output out/noisy',
    )
    .action(test);
}

async function test(manifest: string, { set, ...options }: TestOptions): Promise<void> {
  const { robustnessTable, testProbe } = await import('../studies/probes/test-probe.ts');
  const found = await testProbe({ ...options, ...showWork(), manifest, sets: set });
  process.stdout.write(robustnessTable(found, 'terminal'));
}
