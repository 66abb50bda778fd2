/** Options of the decoder's prompt: language, task and previous text. */
import { type Command, InvalidArgumentError, Option } from 'commander';
import { UserError } from '../errors.ts';
import { namedLanguage } from '../language/profile.ts';
import { PROMPT_KINDS } from '../whisper/prompts.ts';

export function addPromptOptions(command: Command): Command {
  return command
    .option(
      '--prompt <text>',
      'text said before, such as names in their spelling; or the tokens of the prompt: "<|zh|><|transcribe|>"',
    )
    .addOption(promptKindOption())
    .option(
      '--code-switched <languages>',
      'for speech that mixes languages, such as zh,en: put the tokens of all into the prompt; segments in --json have spans of each',
      languageList,
    )
    .option(
      '--code-switched-below <p>',
      'with --code-switched: only for clips whose detected language has a lower probability',
      (value: string) => {
        const p = Number(value);
        if (!(p > 0 && p <= 1)) throw new InvalidArgumentError('Expected a probability.');
        return p;
      },
    );
}

/** Parses two languages or more. */
function languageList(value: string): string[] {
  const languages = value.split(',').map((name) => namedLanguage(name.trim(), '--code-switched: ').base);
  if (new Set(languages).size < 2) {
    throw new UserError(`--code-switched: found "${value}"; expected two languages or more, such as zh,en`);
  }
  return languages;
}

export function promptKindOption(): Option {
  return new Option(
    '--prompt-kind <kind>',
    'language and task token of the prompt for translation; default: those that the model was trained with',
  ).choices(PROMPT_KINDS);
}
