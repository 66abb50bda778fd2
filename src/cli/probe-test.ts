/** `whisper-transfer probe test` */
import { type Command, InvalidArgumentError, Option } from 'commander';
import { modelOption, nameList, positiveInteger, threadsOption } from './options.ts';
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
    .description('test a trained probe on clips, clean and under noise and reverberation')
    .argument('<manifest>', 'TSV, CSV or JSONL manifest with the column that the probe was trained on')
    .requiredOption('--probe <dir>', 'folder that "probe train" wrote')
    .requiredOption('--output <dir>', 'folder for the results and their report')
    .addOption(modelOption())
    .addOption(threadsOption())
    .option('--set <sets>', 'use only these sets of the manifest, such as a,b', nameList)
    .addOption(
      new Option('--snr <decibels>', 'add noise at these signal-to-noise ratios in dB, such as 20,10,0')
        .argParser(numbers)
        .default([], 'none'),
    )
    .option('--noise <folder>', 'folder of recordings of noise; default: white noise')
    .addOption(
      new Option('--reverberation <seconds>', 'reverberate with synthetic rooms of these RT60, such as 0.3,1')
        .argParser(numbers)
        .default([], 'none'),
    )
    .option('--impulses <folder>', 'reverberate with the impulse responses in this folder')
    .option('--seed <n>', 'seed of noise and rooms', positiveInteger, 1)
    .option('--cache <dir>', 'folder where features are kept between runs', 'out/cache')
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
