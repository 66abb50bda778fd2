/** `whisper-transfer synthesise`: a corpus of synthetic speech, of text alone. */
import { type Command, InvalidArgumentError, Option } from 'commander';
import { UserError } from '../errors.ts';
import { namedLanguage } from '../language/profile.ts';
import { formatNumber, formatPercent } from '../report/format.ts';
import { table } from '../report/terminal.ts';
import { reasonsIn, type SynthesisSummary } from '../synthesis/summary.ts';
import { addClusterOptions, type ClusterFlags, clusterOf } from './cluster-options.ts';
import {
  deviceOption,
  modelOption,
  nameList,
  positiveInteger,
  spokenLanguage,
  threadsOption,
} from './options.ts';
import { showWork } from './show-work.ts';

const EXAMPLES = [
  'synthesise pairs.tsv --from en --to zh --output out/synthetic',
  'synthesise pairs.tsv --from en --to zh --output out/piper --command "piper -m en_US-amy.onnx --output_file {wav}"',
  'synthesise --list-voices --from en',
];

interface Options extends ClusterFlags {
  from: string;
  to?: string[];
  output?: string;
  voices?: string[];
  command: string[];
  limit?: number;
  perText: number;
  rooms: number;
  noise: number;
  maxCer: number;
  check: boolean;
  model: string;
  seed: number;
  listVoices?: boolean;
  json?: boolean;
}

function share(value: string): number {
  const number = Number(value);
  if (value.trim() === '' || !(number >= 0 && number <= 1))
    throw new InvalidArgumentError('Expected a number from 0 to 1.');
  return number;
}

export function synthesiseCommand(command: Command): Command {
  command
    .argument(
      '[pairs]',
      'TSV, CSV or JSONL with a column "text" (or text_en, …) and translations, such as text_zh',
    )
    .addOption(
      new Option('--from <code>', 'language to speak, such as en')
        .argParser(spokenLanguage)
        .makeOptionMandatory(),
    )
    .option(
      '--to <codes>',
      'languages of the translations, such as zh or de,fr; texts without them are left out. Default: all that there are',
      (value: string) => nameList(value).map((code) => namedLanguage(code, '--to: ').code),
    )
    .option('--output <dir>', 'folder of the recordings and of their manifest.tsv')
    .option(
      '--voices <names>',
      'voices such as flite/slt,espeak-ng/en-us+f2, or engines; default: the voices of all engines that are installed',
      nameList,
    )
    .option(
      '--command <line>',
      'a program of yours that speaks: text on its standard input, or {text}; sound into {wav}, or on its standard output. ' +
        'Each one given is a voice. No shell reads it',
      (value: string, before: string[]) => [...before, value],
      [],
    )
    .option('--limit <n>', 'texts at most: a sample, by the seed', positiveInteger)
    .option(
      '--per-text <n>',
      'recordings of each text, each in a voice and room of its own',
      positiveInteger,
      1,
    )
    .option('--rooms <share>', 'share of the recordings that are in a room with echoes', share, 0.3)
    .option('--noise <share>', 'share of the recordings that have noise', share, 0.3)
    .option(
      '--max-cer <rate>',
      "keep a recording where the character error rate of the model's transcript is at most this",
      share,
      0.2,
    )
    .option('--no-check', 'keep all recordings, without reading them back')
    .addOption(modelOption())
    .addOption(threadsOption())
    .addOption(deviceOption())
    .option('--seed <n>', 'seed of voices, manners, rooms, noise and sample', Number, 1);
  return addClusterOptions(command)
    .option('--list-voices', 'print the voices that are installed in the language')
    .option('--json', 'print the summary as JSON')
    .addHelpText('after', `\nExamples:\n${EXAMPLES.map((line) => `  $ whisper-transfer ${line}`).join('\n')}`)
    .action(run);
}

async function run(pairs: string | undefined, options: Options): Promise<void> {
  if (options.listVoices) return listVoices(options);
  const { output, command: commands, maxCer, check, json, seed, redis, store, progress, ...rest } = options;
  if (pairs === undefined) throw new UserError('found no file of texts; expected pairs.tsv, .csv or .jsonl');
  if (output === undefined) throw new UserError('--output: found nothing; expected a folder to write into');
  if (!Number.isSafeInteger(seed)) throw new UserError('--seed: expected a whole number');
  const { synthesise } = await import('../synthesis/synthesise.ts');
  const work = showWork('run again to continue: what was spoken is kept');
  const cluster = clusterOf({ redis, store, progress }, work);
  const summary = await synthesise({
    ...rest,
    ...work,
    ...{ pairs, output, commands, seed },
    maxErrorRate: check ? maxCer : undefined,
    elsewhere: cluster && (await import('../cluster/synthesise.ts')).recordedOnWorkers(cluster),
  });
  work.end();
  if (json) console.log(JSON.stringify(summary));
  else print(summary, check ? maxCer : undefined);
}

async function listVoices({ from, json }: Options): Promise<void> {
  const { chooseVoices } = await import('../synthesis/engines.ts');
  const { SpeakingThreads } = await import('../synthesis/speaking-threads.ts');
  const threads = new SpeakingThreads(1);
  try {
    const voices = await chooseVoices(from, undefined, [], (engine) => threads.voices(engine));
    const rows = voices.map(({ name, language, engine: { license } }) => ({ name, language, license }));
    if (json) console.log(JSON.stringify(rows));
    else
      process.stdout.write(
        table(rows, [
          { heading: 'voice', value: ({ name }) => name },
          { heading: 'language', value: ({ language }) => language },
          { heading: 'licence', value: ({ license }) => license },
        ]),
      );
  } finally {
    await threads.close();
  }
}

function print(summary: SynthesisSummary, maxCer: number | undefined): void {
  const { manifest, kept, recordings, hours, dropped, skipped, voices, errorRates } = summary;
  if (Object.keys(skipped).length > 0) console.log(`texts not spoken: ${reasonsIn(skipped)}`);
  process.stdout.write(
    table(voices, [
      { heading: 'voice', value: ({ voice }) => voice },
      { heading: 'spoken', value: ({ recordings: count }) => count },
      { heading: 'kept', value: ({ kept: count }) => count },
      { heading: 'misread', value: ({ misread }) => misread },
      { heading: 'failed', value: ({ failed }) => failed },
      { heading: 'minutes', value: (voice) => formatNumber(60 * voice.hours, 1), align: 'right' },
      ...(maxCer === undefined
        ? []
        : (['mean', 'median', 'p90'] as const).map((name) => ({
            heading: name === 'mean' ? 'CER mean' : name,
            value: (voice: (typeof voices)[number]) => formatPercent(voice[name], 1),
            align: 'right' as const,
          }))),
    ]),
  );
  if (maxCer !== undefined) {
    const read = errorRates.reduce((sum, { recordings: count }) => sum + count, 0);
    const classes = errorRates.map(
      ({ upTo, recordings: count }) =>
        `${upTo === 1 ? 'more' : upTo === 0 ? 'none' : `≤ ${formatPercent(upTo)}`}: ${formatPercent(count / read)}`,
    );
    console.log(`character errors in the transcripts of ${formatNumber(read)}: ${classes.join(', ')}`);
  }
  const left = Object.keys(dropped).length > 0 ? `; left out: ${reasonsIn(dropped)}` : '';
  console.log(
    `${manifest}: ${formatNumber(kept)} of ${formatNumber(recordings)} recordings, ${formatNumber(60 * hours, 1)} minutes${left}`,
  );
}
