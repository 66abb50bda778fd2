/** `whisper-transfer lm tune`: the weights of a language model, chosen on clips with references. */
import { type Command, Option } from 'commander';
import type { PromptChoice } from '../decoding/prompt-choice.ts';
import type { CacheDtype } from '../features/encoded-record.ts';
import { table } from '../report/terminal.ts';
import type { WindowMode } from '../whisper/encoded-clip.ts';
import {
  addCacheOptions,
  addRenamed,
  modelOption,
  positiveInteger,
  threadsOption,
  windowOption,
} from './options.ts';
import { addPromptOptions } from './prompt-options.ts';
import { showWork } from './show-work.ts';

interface Flags extends PromptChoice {
  model: string;
  set?: string;
  from?: string;
  reference?: string;
  task: 'transcribe' | 'translate';
  to: string;
  beam: number;
  lmRescore?: boolean;
  trials: number;
  seed: number;
  window: WindowMode;
  cache?: string;
  cacheDtype?: CacheDtype;
  cacheLimit?: number;
  json?: boolean;
}

export function addTuneCommand(lm: Command): Command {
  const command = lm
    .command('tune')
    .description(
      'tune --alpha and --beta of a language model on clips with references: one beam search, then trials among its hypotheses',
    )
    .argument(
      '<model>',
      'language model: an ARPA file, or a folder with an ONNX model and its tokenizer.json',
    )
    .argument('<manifest>', 'TSV, CSV or JSONL manifest of development clips, not those of a test')
    .addOption(modelOption())
    .addOption(threadsOption())
    .option('--set <name>', 'use only this set of the manifest');
  addRenamed(command, new Option('--from <code>', 'use only clips in this language'), '--language');
  addRenamed(
    command,
    new Option('--to <code>', 'written language, such as en').makeOptionMandatory(),
    '--text-language',
  );
  command
    .addOption(new Option('--reference <column>').hideHelp())
    .addOption(
      new Option('--task <name>', 'task of the decoder')
        .choices(['transcribe', 'translate'])
        .default('transcribe'),
    )
    .option('--beam <n>', 'beam size: hypotheses kept at each step', positiveInteger, 5)
    .option(
      '--lm-rescore',
      'weights for --lm-rescore: of the texts of the beam search, with no search after it',
    )
    .option('--trials <n>', 'number of pairs of weights tried', positiveInteger, 100)
    .option('--seed <n>', 'seed of the trials', positiveInteger, 1)
    .addOption(windowOption());
  addCacheOptions(command).option('--json', 'print the result as one JSON object');
  addPromptOptions(command);
  return command
    .addHelpText(
      'after',
      '\nExample:\n  $ whisper-transfer lm tune model.arpa samples/manifest.tsv --set dev --from en --to en',
    )
    .action(tune);
}

async function tune(
  languageModel: string,
  manifest: string,
  { beam, lmRescore, json, ...flags }: Flags,
): Promise<void> {
  const { tuneOnManifest } = await import('../decoding/tune-manifest.ts');
  const work = showWork();
  const result = await tuneOnManifest({
    ...flags,
    ...work,
    languageModel,
    manifest,
    beams: beam,
    rescore: lmRescore,
  });
  work.end();
  if (json) {
    console.log(JSON.stringify(result));
    return;
  }
  const percent = (share: number): string => `${(100 * share).toFixed(1)} %`;
  const rows = [
    { name: 'no language model', ...result.baseline },
    ...result.tuned.map((weights) => ({ name: 'with it', ...weights })),
  ];
  process.stdout.write(
    table(rows, [
      { heading: '', value: ({ name }) => name },
      { heading: '--alpha', value: ({ alpha }) => alpha.toFixed(3), align: 'right' },
      { heading: '--beta', value: ({ beta }) => beta.toFixed(3), align: 'right' },
      { heading: 'errors', value: ({ errorRate }) => percent(errorRate), align: 'right' },
    ]),
  );
  console.log(
    `${result.clips} clips; the best choice among the texts of the beam search: ${percent(result.oracle)}. ` +
      'Chosen on these clips: measure on others.',
  );
}
