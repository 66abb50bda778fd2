/** Options for the decoder's prompt: which language and task it is asked for. */
import { type Command, InvalidArgumentError, Option } from 'commander';
import { PROMPT_KINDS } from '../whisper/prompts.ts';

export function addPromptOptions(command: Command): Command {
  return command
    .option(
      '--prompt <text>',
      'text that was said before, such as names in their spelling; or the whole prompt: "<|zh|><|transcribe|>"',
    )
    .addOption(promptKindOption())
    .option(
      '--code-switched <languages>',
      'speech that mixes languages: all their tokens in the prompt, such as zh,en',
      (value: string) => value.split(','),
    )
    .option(
      '--code-switched-below <p>',
      'only where the likeliest language has a lower probability (it is detected)',
      (value: string) => {
        const p = Number(value);
        if (!(p > 0 && p <= 1)) throw new InvalidArgumentError('Expected a probability.');
        return p;
      },
    );
}

export function promptKindOption(): Option {
  return new Option(
    '--prompt-kind <kind>',
    'language token and task token for translation; default: what the model was trained with',
  ).choices(PROMPT_KINDS);
}
