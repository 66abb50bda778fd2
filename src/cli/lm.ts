/** `whisper-transfer lm`: n-gram language models, to be fused with Whisper when it transcribes. */
import { type Command, InvalidArgumentError, Option } from 'commander';
import { UserError } from '../errors.ts';
import { readSentences } from '../files/text-files.ts';
import { readArpa } from '../language-model/arpa-read.ts';
import { writeArpa } from '../language-model/arpa-write.ts';
import { NgramCounter } from '../language-model/count.ts';
import { smooth } from '../language-model/kneser-ney.ts';
import { perplexity } from '../language-model/perplexity.ts';
import { languageModelWords } from '../language-model/words.ts';
import { startProgress } from '../report/progress.ts';
import { addTuneCommand } from './lm-tune.ts';
import { addRenamed, positiveInteger } from './options.ts';

const LANGUAGE_NAMES = new Intl.DisplayNames('en', { type: 'language', fallback: 'none' });
/** Sentences between two looks at the clock. */
const SENTENCES_PER_UPDATE = 1000;

const TRAIN_EXAMPLE = `
Example:
  $ whisper-transfer lm train text.txt --order 5 --output model.arpa --to en
`;
const PERPLEXITY_EXAMPLE = `
Example:
  $ whisper-transfer lm perplexity model.arpa held-out.txt --to en --json
`;

const TRAIN_HELP = `
A sentence a line, UTF-8. Words are as transcripts are compared: without punctuation and case, in English by Whisper's
normaliser; languages without spaces between words are cut into characters. Lines without words are left out. Smoothing is interpolated modified
Kneser-Ney, as KenLM's lmplz has it.
${TRAIN_EXAMPLE}`;

const PERPLEXITY_HELP = `
A sentence a line, UTF-8, cut into words as for training. The model may be gzipped and come from another program
(KenLM, SRILM), if its words are normalised in the same way.
${PERPLEXITY_EXAMPLE}`;

interface TrainOptions {
  order: number;
  output: string;
  to: string;
  json?: boolean;
}

export function lmCommand(command: Command): Command {
  const lm = command.addHelpText('after', TRAIN_EXAMPLE + PERPLEXITY_EXAMPLE);
  lm.command('train')
    .description('train a model on a text and write it in ARPA format')
    .argument('<text>', 'a sentence a line')
    .requiredOption('--output <file>', 'where the model is written, in ARPA format')
    .option('--order <n>', 'longest n-grams, 1 to 6', positiveInteger, 5)
    .option('--json', 'print one line of JSON')
    .addHelpText('after', TRAIN_HELP)
    .action(train);
  lm.command('perplexity')
    .description('how well a model predicts a text; lower is better')
    .argument('<model>', 'ARPA file, plain or gzipped')
    .argument('<text>', 'a sentence a line')
    .option('--json', 'print one line of JSON')
    .addHelpText('after', PERPLEXITY_HELP)
    .action(measure);
  for (const command of lm.commands) addRenamed(command, languageOption(), '--language');
  addTuneCommand(lm);
  return lm;
}

const languageOption = (): Option =>
  new Option('--to <code>', 'language of the text, such as en: it decides what a word is')
    .argParser(languageCode)
    .makeOptionMandatory();

/** A mistyped code would quietly cut the text into other words. */
function languageCode(value: string): string {
  const name = /^[a-z]{2,3}$/.test(value) && LANGUAGE_NAMES.of(value);
  // "eng" is English, too, but everything here calls it "en".
  if (!name || Intl.getCanonicalLocales(value)[0]!.length < value.length)
    throw new InvalidArgumentError("Expected Whisper's code of a language, such as en or zh.");
  return value;
}

/** The sentences of a file as words, those without any left out. */
function* wordsOf(lines: readonly string[], language: string, label: string): Generator<string[]> {
  const progress = startProgress(label, lines.length);
  for (const [i, line] of lines.entries()) {
    const words = languageModelWords(line, language);
    if (words.length > 0) yield words;
    if (i % SENTENCES_PER_UPDATE === 0) progress.update(i);
  }
  progress.update(lines.length);
  progress.done('sentences');
}

async function train(text: string, { order, output, to: language, json }: TrainOptions): Promise<void> {
  const counter = new NgramCounter(order);
  for (const words of wordsOf(readSentences(text), language, 'counting')) counter.add(words);
  if (counter.sentences === 0) throw new UserError(`${text}: found no words; expected a sentence a line`);
  const smoothed = smooth(counter);
  const ngrams = counter.orders.map(({ count }) => count.length);
  const progress = startProgress(
    'writing',
    ngrams.reduce((sum, count) => sum + count),
  );
  await writeArpa(output, counter, smoothed, (written) => progress.update(written));
  progress.done('n-grams');
  const fallback = smoothed.flatMap((found, i) => (found.fallback ? [i + 1] : []));
  if (fallback.length > 0) {
    process.stderr.write(
      `warning: ${text} has too few sentences, or too many alike, to estimate the discounts of order ` +
        `${fallback.join(', ')}; the fixed ones 0.5, 1, 1.5 were taken\n`,
    );
  }
  const { sentences, tokens } = counter;
  const discounts = smoothed.map((found) => found.discounts);
  const summary = { model: output, order, language, sentences, tokens, ngrams, discounts, fallback };
  if (json) console.log(JSON.stringify(summary));
  else
    console.log(
      `${output}: ${ngrams.join(' + ')} n-grams of order 1 to ${order} from ${sentences} sentences`,
    );
}

async function measure(
  model: string,
  text: string,
  { to: language, json }: { to: string; json?: boolean },
): Promise<void> {
  const lines = readSentences(text);
  const progress = startProgress('reading the model', 0);
  const languageModel = await readArpa(model, (bytes) => progress.update(bytes));
  progress.done('bytes');
  const found = perplexity(languageModel, wordsOf(lines, language, 'scoring'));
  if (found.sentences === 0) throw new UserError(`${text}: found no words; expected a sentence a line`);
  if (json) console.log(JSON.stringify({ model, order: languageModel.order, language, ...found }));
  else {
    const share = (100 * found.unknown) / (found.tokens - found.sentences);
    console.log(
      `perplexity ${found.perplexity.toFixed(2)} (${found.perplexityOfKnown.toFixed(2)} without unknown words) ` +
        `over ${found.tokens} tokens; ${share.toFixed(1)} % of the words are unknown`,
    );
  }
}
