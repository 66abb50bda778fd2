/** `whisper-transfer lm`: n-gram language models, to be fused with Whisper when it transcribes. */
import { type Command, Option } from 'commander';
import { namedLanguage } from '../language/profile.ts';
import { addTuneCommand } from './lm-tune.ts';
import { addRenamed, positiveInteger } from './options.ts';
import { showWork } from './show-work.ts';

const TRAIN_EXAMPLE = '  $ whisper-transfer lm train text.txt --order 5 --output model.arpa --to en\n';
const PERPLEXITY_EXAMPLE = '  $ whisper-transfer lm perplexity model.arpa held-out.txt --to en --json\n';

const TRAIN_HELP = `
The text has one sentence a line, UTF-8. Words are those of the word error rate: without punctuation and case, in English
by Whisper's normaliser; languages without spaces between words are split into characters. Lines without words are
skipped. Smoothing is interpolated modified Kneser-Ney, as in KenLM's lmplz.

Example:
${TRAIN_EXAMPLE}`;

const PERPLEXITY_HELP = `
The text has one sentence a line, UTF-8, split into words as for training. The model may come from another program (KenLM,
SRILM) whose words were normalised in the same way.

Example:
${PERPLEXITY_EXAMPLE}`;

interface TrainOptions {
  order: number;
  output: string;
  to: string;
  json?: boolean;
}

export function lmCommand(command: Command): Command {
  const lm = command.addHelpText('after', `\nExamples:\n${TRAIN_EXAMPLE}${PERPLEXITY_EXAMPLE}`);
  lm.command('train')
    .description('train a model on a text and write it in ARPA format')
    .argument('<text>', 'text file, one sentence a line')
    .requiredOption('--output <file>', 'ARPA file to write')
    .option('--order <n>', 'longest n-grams, from 1 to 6', positiveInteger, 5)
    .option('--json', 'print one line of JSON')
    .addHelpText('after', TRAIN_HELP)
    .action(train);
  lm.command('perplexity')
    .description('measure how well a model predicts a text; lower is better')
    .argument('<model>', 'ARPA file, plain or gzipped')
    .argument('<text>', 'text file, one sentence a line')
    .option('--json', 'print one line of JSON')
    .addHelpText('after', PERPLEXITY_HELP)
    .action(measure);
  for (const command of lm.commands) addRenamed(command, languageOption(), '--language');
  addTuneCommand(lm);
  return lm;
}

const languageOption = (): Option =>
  new Option('--to <code>', 'language of the text, such as en: it determines the words')
    .argParser((value: string) => namedLanguage(value, '--to: ').base)
    .makeOptionMandatory();

async function train(text: string, { json, ...options }: TrainOptions): Promise<void> {
  const { trainLanguageModel } = await import('../language-model/train.ts');
  const summary = await trainLanguageModel({ ...options, ...showWork(), text });
  const { model, order, ngrams, sentences } = summary;
  console.log(
    json
      ? JSON.stringify(summary)
      : `${model}: ${ngrams.join(' + ')} n-grams of order 1 to ${order} from ${sentences} sentences`,
  );
}

async function measure(
  model: string,
  text: string,
  { to, json }: { to: string; json?: boolean },
): Promise<void> {
  const { textPerplexity } = await import('../language-model/perplexity.ts');
  const { order, ...found } = await textPerplexity({ ...showWork(), model, text, to });
  if (json) console.log(JSON.stringify({ model, order, language: to, ...found }));
  else {
    const share = (100 * found.unknown) / (found.tokens - found.sentences);
    console.log(
      `perplexity ${found.perplexity.toFixed(2)} (${found.perplexityOfKnown.toFixed(2)} without unknown words) ` +
        `over ${found.tokens} tokens; ${share.toFixed(1)} % of the words are unknown`,
    );
  }
}
