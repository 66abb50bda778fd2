/** Options of every command that decodes: how the search goes. */

import { type Command, InvalidArgumentError, Option } from 'commander';
import { fallbackTemperatures } from '../decoding/decoding.ts';
import type { DecodingChoice } from '../decoding/decoding-choice.ts';
import { positiveInteger, positiveNumber } from './options.ts';

export interface DecodingFlags {
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
  alpha: number;
  beta: number;
}

export function addDecodingOptions(command: Command): Command {
  return command
    .option('--beam <n>', 'texts kept at each step; 1: greedy', positiveInteger, 1)
    .option('--patience <x>', 'search until beam × patience texts have ended', positiveNumber, 1)
    .option('--length-penalty <x>', 'compare texts by total / length ^ x', number, 1)
    .option('--temperature <list>', 'such as 0 or 0,0.4,0.8: tried until a text is good', temperatures)
    .option('--fallback', `the same as --temperature ${fallbackTemperatures.join()}`)
    .option('--best-of <n>', 'texts drawn at temperatures above 0', positiveInteger, 5)
    .option('--seed <n>', 'of what is drawn', positiveInteger, 1)
    .option('--no-repeat-ngram <n>', 'no n tokens come twice in the same order', positiveInteger, 0)
    .option('--repetition-penalty <x>', 'makes tokens that came before less likely', positiveNumber, 1)
    .option('--max-tokens <n>', 'longest text of a window', positiveInteger, 224)
    .option(
      '--target-vocabulary [text]',
      'choose only among tokens that occur in this text file; without one: those kept with the model',
    )
    .addOption(
      new Option('--experts <on|off>', 'decode each language with its experts, where the model has them')
        .choices(['on', 'off'])
        .default('on'),
    )
    .option('--lm <arpa>', 'n-gram language model, see `whisper-transfer lm`')
    .option('--lm-language <code>', 'language of the text that it was trained on; default: the target')
    .option('--alpha <x>', 'weight of the language model', number, 0.3)
    .option('--beta <x>', 'what each word adds', number, 0.3);
}

export function decodingChoice({ beam, experts, lm, alpha, beta, lmLanguage, ...flags }: DecodingFlags) {
  return {
    ...flags,
    beams: beam,
    experts: experts === 'on',
    ...(lm && { languageModel: { model: lm, alpha, beta, language: lmLanguage } }),
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
