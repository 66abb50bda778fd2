/** Options of the search, for every command that decodes. */

import { type Command, InvalidArgumentError, Option } from 'commander';
import { defaultFusion, fallbackTemperatures } from '../decoding/decoding.ts';
import type { DecodingChoice } from '../decoding/decoding-choice.ts';
import { UserError } from '../errors.ts';
import { positiveInteger, positiveNumber } from './options.ts';

export interface DecodingFlags {
  /** Count for the process (threadsOption, deviceOption), and are no choice of decoding. */
  threads?: number;
  device?: string;
  beam: number;
  patience: number;
  lengthPenalty: number;
  temperature?: number[];
  fallback?: boolean;
  bestOf: number;
  seed: number;
  noRepeatNgram: number;
  repetitionPenalty: number;
  maxTokens: number;
  targetVocabulary?: string | true;
  experts: 'on' | 'off';
  lm?: string;
  lmLanguage?: string;
  lmRescore?: boolean;
  alpha: number;
  beta: number;
}

export function addDecodingOptions(command: Command): Command {
  return command
    .option('--beam <n>', 'beam size: hypotheses kept at each step; 1: greedy', positiveInteger, 1)
    .option('--patience <x>', 'end the search when beam × patience hypotheses have ended', positiveNumber, 1)
    .option('--length-penalty <x>', 'compare hypotheses by log probability / length ^ x', number, 1)
    .option(
      '--temperature <list>',
      'sampling temperatures, such as 0 or 0,0.4,0.8: tried in turn until a text neither loops nor is improbable',
      temperatures,
    )
    .option('--fallback', `the same as --temperature ${fallbackTemperatures.join()}`)
    .option('--best-of <n>', 'samples at temperatures above 0, of which the best is used', positiveInteger, 5)
    .option('--seed <n>', 'seed of the sampling', positiveInteger, 1)
    .option('--no-repeat-ngram <n>', 'forbid repeated n-grams of n tokens; 0: allow', positiveInteger, 0)
    .option(
      '--repetition-penalty <x>',
      'above 1: make tokens of the text so far less likely',
      positiveNumber,
      1,
    )
    .option('--max-tokens <n>', 'largest number of tokens per window', positiveInteger, 224)
    .option(
      '--target-vocabulary [text]',
      'allow only tokens that occur in this text file; without a file: the vocabulary saved with the model, as by default into its own target language',
    )
    .addOption(
      new Option('--experts <on|off>', 'use the experts of each language, where the model has them')
        .choices(['on', 'off'])
        .default('on'),
    )
    .option(
      '--lm <model>',
      'language model to fuse with the decoder: an ARPA file, or a folder with an ONNX model and its tokenizer.json; see `whisper-transfer lm`',
    )
    .option(
      '--lm-rescore',
      'with --lm and --beam: choose among the texts of the search with it, not search with it',
    )
    .option('--lm-language <code>', 'language of the language model; default: the language that is written')
    .option('--alpha <x>', 'weight of the language model, with --lm', number, defaultFusion.alpha)
    .option('--beta <x>', 'bonus per word, with --lm', number, defaultFusion.beta)
    .hook('preAction', () => checkLanguageModelFlags(command));
}

/** @throws UserError where a flag of the language model would do nothing */
function checkLanguageModelFlags(command: Command): void {
  const { lm, lmRescore, beam, temperature, fallback } = command.opts<DecodingFlags>();
  const given = ['lmRescore', 'lmLanguage', 'alpha', 'beta'].find(
    (name) => command.getOptionValueSource(name) === 'cli',
  );
  if (given !== undefined && !lm) {
    const { long } = command.options.find((option) => option.attributeName() === given)!;
    throw new UserError(`${long}: expected --lm <model> with it`);
  }
  const samples = fallback || temperature?.some((one) => one > 0);
  if (lmRescore && beam === 1 && !samples) {
    throw new UserError('--lm-rescore: found --beam 1, which finds a single text; expected --beam 2 or more');
  }
}

export function decodingChoice({
  beam,
  experts,
  lm,
  alpha,
  beta,
  lmLanguage,
  lmRescore,
  threads: _,
  device: _device,
  ...flags
}: DecodingFlags) {
  return {
    ...flags,
    beams: beam,
    experts: experts === 'on',
    ...(lm && { languageModel: { model: lm, alpha, beta, language: lmLanguage, rescore: lmRescore } }),
  } satisfies DecodingChoice;
}

function number(value: string): number {
  const found = Number(value);
  if (value.trim() === '' || !Number.isFinite(found)) throw new InvalidArgumentError('Expected a number.');
  return found;
}

function temperatures(value: string): number[] {
  const list = value.split(',').map(Number);
  if (!list.every((t) => t >= 0 && t <= 2)) {
    throw new InvalidArgumentError('Expected numbers from 0 to 2, with commas between them.');
  }
  return list;
}
