/** Options and checks that several commands share. */
import { type Command, InvalidArgumentError, Option } from 'commander';
import { embeddedModel } from '../checkpoint/embedded.ts';
import { UserError } from '../errors.ts';
import { BLEU_TOKENIZERS } from '../metrics/tokenizers.ts';
import type { WindowMode } from '../whisper/encoded-clip.ts';
import type { WhisperModel } from '../whisper/model.ts';

export const modelOption = (): Option =>
  new Option('--model <dir>', 'Whisper model directory in Hugging Face layout').default(
    embeddedModel,
    'the embedded Whisper base',
  );

export const windowOption = (): Option =>
  new Option(
    '--window <kind>',
    'fit: the clip and a short stretch of cached silence; full: 30 s, as Whisper was trained',
  )
    .choices(['fit', 'full'] satisfies WindowMode[])
    .default('fit');

/** `sacrebleu --tokenize`. */
export const tokenizeOption = (): Option =>
  new Option('--tokenize <name>', "tokenizer of BLEU (default: the target language's)").choices(
    BLEU_TOKENIZERS,
  );

export const spmModelOption = (): Option =>
  new Option(
    '--spm-model <file>',
    "SentencePiece model of tokenizer flores101 or flores200 (default: sacreBLEU's)",
  );

export function positiveInteger(value: string): number {
  const number = Number(value);
  if (!Number.isSafeInteger(number) || number < 1)
    throw new InvalidArgumentError('Expected a whole number from 1.');
  return number;
}

export function positiveNumber(value: string): number {
  const number = Number(value);
  if (!(number > 0) || !Number.isFinite(number)) throw new InvalidArgumentError('Expected a number above 0.');
  return number;
}

/** Names with commas between them. */
export function nameList(value: string): string[] {
  const items = value
    .split(',')
    .map((item) => item.trim())
    .filter(Boolean);
  if (items.length === 0) throw new InvalidArgumentError('Expected names, separated by commas.');
  return items;
}

/** Adds an option that earlier versions had under other names: these are read, and not in the help. */
export function addRenamed(command: Command, option: Option, ...older: readonly string[]): Command {
  command.addOption(option);
  for (const name of older) {
    const alias = new Option(option.flags.replace(/--[\w-]+/, name)).hideHelp();
    if (option.parseArg) alias.argParser(option.parseArg);
    alias.attributeName = () => option.attributeName();
    command.addOption(alias);
  }
  return command;
}

/** What the user should know, beside the results. */
export function printNote(note: string): void {
  process.stderr.write(`note: ${note}\n`);
}

/** From now on Ctrl-C only sets a flag, for a loop that ends after its step; a second one ends at once. */
export function interruption(): () => boolean {
  let interrupted = false;
  process.once('SIGINT', () => {
    interrupted = true;
  });
  return () => interrupted;
}

/** The language that `--from` names, checked against the model before anything long begins. */
export function checkedLanguage(model: WhisperModel, code: string | undefined): string | undefined {
  if (code !== undefined) model.tokens.language(code);
  return code;
}

/** In a batch the others went on; the command as a whole still says that something was wrong. */
export function failedFiles(count: number, of: number): void {
  if (count > 0) throw new UserError(`${count} of ${of} files could not be used`);
}
