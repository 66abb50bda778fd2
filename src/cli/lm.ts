/** `whisper-transfer lm`: language models, n-grams and small GPTs, to be fused with Whisper when it transcribes. */
import { type Command, Option } from 'commander';
import { namedLanguage } from '../language/profile.ts';
import { addTuneCommand } from './lm-tune.ts';
import { addRenamed, positiveInteger, threadsOption } from './options.ts';
import { showWork } from './show-work.ts';

const TRAIN_EXAMPLE = '  $ whisper-transfer lm train text.txt --order 5 --output model.arpa --to en\n';
const GPT_EXAMPLE = '  $ whisper-transfer lm train text.txt --kind gpt --output out/gpt-en --to en\n';
const PERPLEXITY_EXAMPLE = '  $ whisper-transfer lm perplexity model.arpa held-out.txt --to en --json\n';

const TRAIN_HELP = `
The text has one sentence a line, UTF-8. Words are those of the word error rate: without punctuation and case, in English
by Whisper's normaliser; languages without spaces between words are split into characters. Lines without words are
skipped. N-grams are smoothed by interpolated modified Kneser-Ney, as in KenLM's lmplz.

A GPT has 1.1 million weights over 2,048 tokens that are learned from the text, and is saved as a folder with ONNX model and
tokenizer.json. A text of 29,000 sentences takes some ten minutes on two cores. --resume goes on with a run that was stopped.

Examples:
${TRAIN_EXAMPLE}${GPT_EXAMPLE}`;

const PERPLEXITY_HELP = `
The text has one sentence a line, UTF-8, split into words as for training. An ARPA file may come from another program (KenLM,
SRILM) whose words were normalised in the same way, a causal model from an exporter to ONNX. Models of different kinds are compared
by the perplexity of a character.

Example:
${PERPLEXITY_EXAMPLE}`;

interface TrainOptions {
  kind: 'ngram' | 'gpt';
  order: number;
  epochs: number;
  seed: number;
  resume?: boolean;
  output: string;
  to: string;
  json?: boolean;
}

export function lmCommand(command: Command): Command {
  const lm = command.addHelpText('after', `\nExamples:\n${TRAIN_EXAMPLE}${PERPLEXITY_EXAMPLE}`);
  lm.command('train')
    .description('train a model on a text: n-grams, written in ARPA format, or a small GPT')
    .argument('<text>', 'text file, one sentence a line')
    .requiredOption('--output <path>', 'ARPA file to write, or folder of a GPT')
    .addOption(new Option('--kind <name>', 'kind of model').choices(['ngram', 'gpt']).default('ngram'))
    .option('--order <n>', 'n-grams: the longest, from 1 to 6', positiveInteger, 5)
    .option('--epochs <n>', 'GPT: how often it reads the text', positiveInteger, 8)
    .option('--seed <n>', 'GPT: seed of the first weights and of the order of sentences', positiveInteger, 1)
    .option('--resume', 'GPT: go on with a run that was stopped')
    .addOption(threadsOption())
    .option('--json', 'print one line of JSON')
    .addHelpText('after', TRAIN_HELP)
    .action(train);
  lm.command('perplexity')
    .description('measure how well a model predicts a text; lower is better')
    .argument('<model>', 'ARPA file, plain or gzipped, or folder with an ONNX model and its tokenizer.json')
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

async function train(text: string, { kind, json, ...options }: TrainOptions): Promise<void> {
  if (kind === 'gpt') {
    const { trainGpt } = await import('../training/train-gpt.ts');
    const work = showWork();
    const summary = await trainGpt({ ...options, ...work, text });
    work.end();
    const { model, weights, vocabulary, sentences, steps, loss } = summary;
    console.log(
      json
        ? JSON.stringify(summary)
        : `${model}: ${weights} weights over ${vocabulary} tokens, ${steps} steps on ${sentences} sentences, loss ${loss.toFixed(3)} a token`,
    );
    return;
  }
  const { trainLanguageModel } = await import('../language-model/train.ts');
  const { epochs: _, seed: __, resume: ___, ...plain } = options;
  const summary = await trainLanguageModel({ ...plain, ...showWork(), text });
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
  const { kind, order, ...found } = await textPerplexity({ ...showWork(), model, text, to });
  if (json) console.log(JSON.stringify({ model, kind, order, language: to, ...found }));
  else {
    const share = (100 * found.unknown) / (found.tokens - found.sentences);
    console.log(
      `perplexity ${found.perplexity.toFixed(2)} (${found.perplexityOfKnown.toFixed(2)} without unknown words) ` +
        `over ${found.tokens} tokens; ${share.toFixed(1)} % of the words are unknown; ` +
        `${found.perplexityOfCharacters.toFixed(3)} a character`,
    );
  }
}
