/** Options and checks that several commands share. */
import { type Command, InvalidArgumentError, Option } from 'commander';
import { DEVICE_CHOICES, DEVICE_VARIABLE } from '../backend/device.ts';
import { THREADS_VARIABLE } from '../backend/threads.ts';
import { embeddedModel } from '../checkpoint/embedded.ts';
import { UserError } from '../errors.ts';
import { byteSize } from '../features/byte-size.ts';
import { CACHE_DTYPES } from '../features/encoded-record.ts';
import { isHubName } from '../hub/names.ts';
import { namedLanguage } from '../language/profile.ts';
import { BLEU_TOKENIZERS } from '../metrics/tokenizers.ts';
import { COMPUTES, type Compute } from '../whisper/compute.ts';
import type { WindowMode } from '../whisper/encoded-clip.ts';
import type { WhisperModel } from '../whisper/model.ts';

export const modelOption = (): Option =>
  ofModels(
    new Option(
      '--model <dir>',
      'Whisper model: a directory in Hugging Face layout, or a model of the hub, such as openai/whisper-small, or with @revision',
    ).default(embeddedModel, 'the embedded Whisper base'),
  );

/** Sets the default of all models of the process. */
export const threadsOption = (): Option =>
  new Option('--threads <n>', 'computing threads (default: as many as there are usable cores)')
    .env(THREADS_VARIABLE)
    .argParser((value: string) => {
      const threads = positiveInteger(value);
      process.env[THREADS_VARIABLE] = value;
      return threads;
    });

export const computeOption = (): Option =>
  new Option(
    '--compute <numbers>',
    'numbers that the model computes with. auto: float32, and where the weights have 8 bits (quantize), small steps of decoding in ' +
      'whole numbers of 16 bits, which are faster and write the same; int8 (on the CPU): faster still, and where it is unsure some ' +
      'texts differ by a word; float16: for graphics cards, experimental',
  )
    .choices(COMPUTES)
    .default('auto' satisfies Compute);

/** Sets the default of all models of the process, as `threadsOption` does. */
export const deviceOption = (): Option =>
  new Option(
    '--device <name>',
    'where the model computes (experimental): webgpu or cuda, a graphics card; auto: cuda, webgpu or cpu, by what is there',
  )
    .choices(DEVICE_CHOICES)
    .env(DEVICE_VARIABLE)
    .default('cpu')
    .argParser((value: string) => {
      if (!(DEVICE_CHOICES as readonly string[]).includes(value))
        throw new InvalidArgumentError(`Allowed choices are ${DEVICE_CHOICES.join(', ')}.`);
      process.env[DEVICE_VARIABLE] = value;
      return value;
    });

export const windowOption = (): Option =>
  new Option(
    '--window <kind>',
    'encoder window. fit: as long as the clip, with a short stretch of cached silence; full: 30 s, as in Whisper',
  )
    .choices(['fit', 'full'] satisfies WindowMode[])
    .default('fit');

/** Adds `--cache`, which `off` leaves without a value, `--cache-dtype` and `--cache-limit`. */
export function addCacheOptions(
  command: Command,
  about = 'folder where encoder outputs are kept between runs',
): Command {
  return command
    .addOption(new Option('--cache <dir>', `${about}; off: nowhere`).default('out/cache'))
    .hook('preAction', () => {
      // Not by argParser: commander makes an empty text, which is a path, of undefined.
      if (command.getOptionValue('cache') === 'off') command.setOptionValue('cache', undefined);
    })
    .addOption(
      new Option('--cache-dtype <name>', 'number format of kept encoder outputs; int8 takes half the space')
        .choices(CACHE_DTYPES)
        .default('float16'),
    )
    .addOption(
      new Option(
        '--cache-limit <size>',
        'largest size of the cache, such as 40GB: beyond it the oldest outputs are dropped; default: none',
      ).argParser((text) => {
        const bytes = byteSize(text);
        if (bytes === undefined) throw new InvalidArgumentError('Expected a size such as 40GB.');
        return bytes;
      }),
    );
}

/** As `sacrebleu --tokenize`. */
export const tokenizeOption = (): Option =>
  new Option('--tokenize <name>', 'tokenizer of BLEU (default: by the language of the texts)').choices(
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

/** Parses comma-separated names. */
export function nameList(value: string): string[] {
  const items = value
    .split(',')
    .map((item) => item.trim())
    .filter(Boolean);
  if (items.length === 0) throw new InvalidArgumentError('Expected names, separated by commas.');
  return items;
}

/** Adds an option with hidden aliases, such as its names in earlier versions. */
export function addRenamed(command: Command, option: Option, ...older: readonly string[]): Command {
  command.addOption(option);
  for (const name of older) {
    const alias = new Option(option.flags.replace(/--[\w-]+/, name)).hideHelp();
    if (option.parseArg) alias.argParser(option.parseArg);
    if (option.presetArg !== undefined) alias.preset(option.presetArg);
    alias.attributeName = () => option.attributeName();
    command.addOption(alias);
  }
  return command;
}

/** Prints a note to the user on standard error. */
export function printNote(note: string): void {
  process.stderr.write(`note: ${note}\n`);
}

/** Parses the spoken language, before anything is loaded: its code. */
export const spokenLanguage = (value: string): string => namedLanguage(value, '--from: ').base;

/** Parses the written language, likewise: its code, with script and region where they are named. */
export const writtenLanguage = (value: string): string => namedLanguage(value, '--to: ').code;

/** Checks the language of `--from` against the model, before any long work. */
export function checkedLanguage(model: WhisperModel, code: string | undefined): string | undefined {
  if (code !== undefined) model.tokens.language(code);
  return code;
}

/** Fails a command whose other files were processed. */
export function failedFiles(count: number, of: number): void {
  if (count > 0) throw new UserError(`${count} of ${of} files could not be used`);
}

/** Options whose values are models: folders, or names of the hub. */
const modelOptions = new WeakSet<Option>();

/** Says that the values of an option are models. */
export function ofModels(option: Option): Option {
  modelOptions.add(option);
  return option;
}

/** Replaces models of the hub in a command's options by their folders in its cache, where they are fetched if missing. */
export async function fetchModels(command: Command): Promise<void> {
  for (const option of command.options) {
    const name = option.attributeName();
    const value: unknown = command.getOptionValue(name);
    if (!modelOptions.has(option) || value === undefined) continue;
    command.setOptionValueWithSource(name, await fetched(value), command.getOptionValueSource(name));
  }
}

/** @param value one model, several, or models by name */
async function fetched(value: unknown): Promise<unknown> {
  if (typeof value === 'string') return fetchedModel(value);
  // One after another: each shows its progress on the terminal's line.
  if (Array.isArray(value)) {
    const paths: string[] = [];
    for (const model of value) paths.push(await fetchedModel(model));
    return paths;
  }
  const folders = new Map<string, string>();
  for (const [name, model] of value as Map<string, string>) folders.set(name, await fetchedModel(model));
  return folders;
}

/** The folder of a model, with progress where it is fetched. */
async function fetchedModel(model: string): Promise<string> {
  if (!isHubName(model)) return model;
  const { modelFolder } = await import('../hub/model-folder.ts');
  const { showWork } = await import('./show-work.ts');
  const work = showWork('the same command goes on from there');
  const folder = await modelFolder(model, work);
  work.end();
  return folder;
}
