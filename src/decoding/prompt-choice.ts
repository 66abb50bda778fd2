/** The decoder's prompt: which language and task the model is asked for. */
import { UserError } from '../errors.ts';
import type { WhisperModel } from '../whisper/model.ts';
import { isTrainedFor, type PromptKind, promptOf, trainedPrompt } from '../whisper/prompts.ts';
import type { Task } from '../whisper/tokens.ts';

export interface PromptChoice {
  /**
   * Text that was said or written before, such as names in their spelling; or, with special tokens in it, the prompt as
   * it is: `<|zh|><|transcribe|>`. Default: none, and the prompt of the task.
   */
  readonly prompt?: string | undefined;
  /** Language token and task token for translation. Default: what the model was trained with. */
  readonly promptKind?: PromptKind | undefined;
  /** Speech that mixes languages: all their tokens in the prompt, such as `['zh', 'en']`. Default: one language. */
  readonly codeSwitched?: readonly string[] | undefined;
  /** Only where the likeliest language has a lower probability. Default: everywhere. */
  readonly codeSwitchedBelow?: number | undefined;
}

/** The prompt for a clip in a language; `probabilities` where the language was detected. */
export type PromptOf = (language: string, probabilities?: ReadonlyMap<string, number>) => readonly number[];

/** The language that `translate` writes. */
export function targetOf(model: WhisperModel, to: string | undefined): string {
  return to ?? trainedPrompt(model.settings.generationConfig)?.target ?? 'en';
}

/**
 * The prompt of a task. Into English translation is Whisper's own task. Into another language the model must have been
 * trained for it, and its generation config says with which prompt.
 * @param onNote what the user should know, one line
 * @throws UserError for a token that the model does not have
 */
export function choosePrompt(
  model: WhisperModel,
  choice: PromptChoice & { readonly task: Task; readonly to?: string | undefined },
  onNote?: (note: string) => void,
): PromptOf {
  const { tokens } = model;
  const { prompt } = choice;
  if (prompt === undefined || prompt.trim() === '') return taskPrompt(model, choice, onNote);
  if (/<\|[^|]*\|>/.test(prompt)) {
    const ids = tokens.parsePrompt(prompt);
    return () => ids;
  }
  const before = [tokens.startOfPrevious, ...tokens.encode(` ${prompt.trim()}`).slice(-MAX_CONTEXT_TOKENS)];
  const rest = taskPrompt(model, choice, onNote);
  return (language, probabilities) => [...before, ...rest(language, probabilities)];
}

/** Text before the prompt that fits: half of the decoder's context. */
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
): PromptOf {
  const { tokens } = model;
  if (codeSwitched) {
    const mixed = tokens.prompt(codeSwitched, task);
    return (language, probabilities) => {
      const sure =
        codeSwitchedBelow !== undefined && (probabilities?.get(language) ?? 1) >= codeSwitchedBelow;
      return sure ? tokens.prompt(language, task) : mixed;
    };
  }
  if (codeSwitchedBelow !== undefined) {
    throw new UserError(
      `code-switched below ${codeSwitchedBelow}: expected the code-switched languages with it`,
    );
  }
  if (task === 'transcribe') return (language) => tokens.prompt(language, 'transcribe');
  const trained = trainedPrompt(model.settings.generationConfig);
  const target = targetOf(model, to);
  const known = isTrainedFor(trained, target);
  if (target === 'en' && !known) return (language) => tokens.prompt(language, 'translate');
  if (!known) {
    onNote?.(`this model was not trained to translate into "${target}": expect little of it`);
  }
  const kind = promptKind ?? (known ? trained!.kind : 'target-transcribe');
  return (language) => promptOf(tokens, kind, target, language);
}
