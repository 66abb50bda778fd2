/** Choice of the decoder's prompt by language and task. */
import { UserError } from '../errors.ts';
import type { WhisperModel } from '../whisper/model.ts';
import { isTrainedFor, type PromptKind, promptOf, separatorOf, trainedPrompt } from '../whisper/prompts.ts';
import type { Task } from '../whisper/tokens.ts';

export interface PromptChoice {
  /**
   * Previous text, such as names in their spelling; or, with special tokens in it, the prompt itself: `<|zh|><|transcribe|>`,
   * previous text before them or after <|startofprev|>. Default: none, and the prompt of the task.
   */
  readonly prompt?: string | undefined;
  /** Language token and task token for translation. Default: those of the training. */
  readonly promptKind?: PromptKind | undefined;
  /**
   * Code-switched speech: languages whose tokens are all in the prompt, such as `['zh', 'en']`, and whose spans the segments of a
   * transcript tell. Default: one.
   */
  readonly codeSwitched?: readonly string[] | undefined;
  /** Apply only where the likeliest language has a lower probability. Default: always. */
  readonly codeSwitchedBelow?: number | undefined;
}

/** The prompt for a clip in a language; `probabilities` where the language was detected. */
export type PromptOf = (language: string, probabilities?: ReadonlyMap<string, number>) => readonly number[];

export interface ChosenPrompt {
  /** The prompt for a clip in a language. */
  readonly of: PromptOf;
  /** English first: the token between the English text and that in the target language. */
  readonly separator?: number | undefined;
}

/** The language to translate into. */
export function targetOf(model: WhisperModel, to: string | undefined): string {
  return to ?? trainedPrompt(model.settings.generationConfig)?.target ?? 'en';
}

/**
 * The prompt of a task. Whisper itself translates into English. Another language needs a model trained for it, with the
 * prompt in its generation config.
 * @param onNote reports a note for the user, one line
 * @throws UserError for a token that the model does not have
 */
export function choosePrompt(
  model: WhisperModel,
  choice: PromptChoice & { readonly task: Task; readonly to?: string | undefined },
  onNote?: (note: string) => void,
): ChosenPrompt {
  const { tokens } = model;
  const { prompt } = choice;
  if (prompt === undefined || prompt.trim() === '') return taskPrompt(model, choice, onNote);
  const named = /<\|[^|]*\|>/.test(prompt);
  const { previous, transcript } = named
    ? tokens.parsePrompt(prompt)
    : { previous: tokens.previousText(prompt), transcript: undefined };
  const kept = previous.slice(-MAX_CONTEXT_TOKENS);
  const before = kept.length === 0 ? [] : [tokens.startOfPrevious, ...kept];
  if (transcript !== undefined) {
    const room = Math.floor(model.dimensions.textPositions / 2);
    if (transcript.length > room) {
      throw new UserError(
        `--prompt: found ${transcript.length} tokens from the start of the transcript on; expected at most ${room}, ` +
          'as the text needs the others',
      );
    }
    const ids = [...before, ...transcript];
    return { of: () => ids };
  }
  const { of: rest, separator } = taskPrompt(model, choice, onNote);
  return { of: (language, probabilities) => [...before, ...rest(language, probabilities)], separator };
}

/** Previous text keeps its last tokens: half of the decoder's context, less <|startofprev|>. */
export const MAX_CONTEXT_TOKENS = 223;

function taskPrompt(
  model: WhisperModel,
  {
    promptKind,
    codeSwitched,
    codeSwitchedBelow,
    task,
    to,
  }: PromptChoice & { readonly task: Task; readonly to?: string | undefined },
  onNote?: (note: string) => void,
): ChosenPrompt {
  const { tokens } = model;
  if (codeSwitched) {
    const mixed = tokens.prompt(codeSwitched, task);
    return {
      of: (language, probabilities) => {
        const sure =
          codeSwitchedBelow !== undefined && (probabilities?.get(language) ?? 1) >= codeSwitchedBelow;
        return sure ? tokens.prompt(language, task) : mixed;
      },
    };
  }
  if (codeSwitchedBelow !== undefined) {
    throw new UserError(
      `code-switched below ${codeSwitchedBelow}: expected the code-switched languages with it`,
    );
  }
  if (task === 'transcribe') return { of: (language) => tokens.prompt(language, 'transcribe') };
  const trained = trainedPrompt(model.settings.generationConfig);
  const target = targetOf(model, to);
  const known = isTrainedFor(trained, target);
  if (target === 'en' && !known) return { of: (language) => tokens.prompt(language, 'translate') };
  if (!known) {
    onNote?.(`this model was not trained to translate into "${target}": expect little of it`);
  }
  const kind = promptKind ?? (known ? trained!.kind : 'target-transcribe');
  return {
    of: (language) => promptOf(tokens, kind, target, language),
    separator: separatorOf(tokens, kind, target),
  };
}
