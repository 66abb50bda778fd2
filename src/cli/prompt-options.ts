/** Options for the decoder's prompt: which language and task it is asked for. */
import { type Command, InvalidArgumentError, Option } from 'commander';
import { UserError } from '../errors.ts';
import type { WhisperModel } from '../whisper/model.ts';
import { isTrainedFor, PROMPT_KINDS, type PromptKind, promptOf, trainedPrompt } from '../whisper/prompts.ts';
import type { Task } from '../whisper/tokens.ts';

export interface PromptFlags {
  prompt?: string;
  promptKind?: PromptKind;
  codeSwitched?: string[];
  codeSwitchedBelow?: number;
}

export function addPromptOptions(command: Command): Command {
  return command
    .option(
      '--prompt <text>',
      'the prompt as it is, such as "<|zh|><|transcribe|>"; text in it is taken as spoken before',
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

/** The language that `translate` writes. */
export function targetOf(model: WhisperModel, to: string | undefined): string {
  return to ?? trainedPrompt(model.settings.generationConfig)?.target ?? 'en';
}

/**
 * The prompt for a clip in a language. Into English translation is Whisper's own task. Into another language the model
 * must have been trained for it, and its generation config says with which prompt.
 */
export function promptFor(
  model: WhisperModel,
  { prompt, promptKind, codeSwitched, codeSwitchedBelow }: PromptFlags,
  task: Task,
  to: string | undefined,
): (language: string, probabilities?: ReadonlyMap<string, number>) => readonly number[] {
  const { tokens } = model;
  if (prompt !== undefined) {
    const ids = tokens.parsePrompt(prompt);
    return () => ids;
  }
  if (codeSwitched) {
    const mixed = tokens.prompt(codeSwitched, task);
    return (language, probabilities) => {
      const sure =
        codeSwitchedBelow !== undefined && (probabilities?.get(language) ?? 1) >= codeSwitchedBelow;
      return sure ? tokens.prompt(language, task) : mixed;
    };
  }
  if (codeSwitchedBelow !== undefined) {
    throw new UserError('--code-switched-below: expected --code-switched <languages> with it');
  }
  if (task === 'transcribe') return (language) => tokens.prompt(language, 'transcribe');
  const trained = trainedPrompt(model.settings.generationConfig);
  const target = to ?? trained?.target ?? 'en';
  const known = isTrainedFor(trained, target);
  if (target === 'en' && !known) return (language) => tokens.prompt(language, 'translate');
  if (!known) {
    process.stderr.write(
      `note: this model was not trained to translate into "${target}": expect little of it\n`,
    );
  }
  const kind = promptKind ?? (known ? trained!.kind : 'target-transcribe');
  return (language) => promptOf(tokens, kind, target, language);
}
