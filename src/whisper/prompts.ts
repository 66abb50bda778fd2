/**
 * The three prompts for translation into a language that Whisper was not made to translate into (Ma et al. 2024): the
 * token of the target language with the task transcribe or translate, or the token of the source language with
 * translate. The last needs a source language that Whisper has a token for.
 */
import type { Task, Tokens } from './tokens.ts';

export const PROMPT_KINDS = ['target-transcribe', 'target-translate', 'source-translate'] as const;
export type PromptKind = (typeof PROMPT_KINDS)[number];

const taskOf = (kind: PromptKind): Task => (kind === 'target-transcribe' ? 'transcribe' : 'translate');

/** @throws UserError where the language that the prompt names has no token */
export function promptOf(tokens: Tokens, kind: PromptKind, target: string, source: string): number[] {
  return tokens.prompt(kind === 'source-translate' ? source : target, taskOf(kind));
}

export interface TrainedPrompt {
  readonly target: string;
  readonly kind: PromptKind;
}

/** Where the generation config says what the model was trained for: what Hugging Face has no field for. */
const FIELD = 'whisper_transfer';

/**
 * What the generation config of a trained model says, in fields that transformers' `generate` follows. It knows Whisper's
 * own languages by their codes, and others by what stands in `lang_to_id`.
 */
export function generationFields(tokens: Tokens, { target, kind }: TrainedPrompt): Record<string, unknown> {
  const language = tokens.languages.has(target) ? target : `<|${target}|>`;
  return {
    // With the source language in the prompt, `generate` detects it where it is not given.
    ...(kind === 'source-translate' ? {} : { language }),
    task: taskOf(kind),
    return_timestamps: false,
    [FIELD]: { target, prompt: kind },
  };
}

/** @returns undefined for a model that was not trained here */
export function trainedPrompt(config: Readonly<Record<string, unknown>>): TrainedPrompt | undefined {
  const own = config[FIELD] as { target?: unknown; prompt?: unknown } | undefined;
  if (typeof own?.target === 'string' && PROMPT_KINDS.includes(own.prompt as PromptKind)) {
    return { target: own.target, kind: own.prompt as PromptKind };
  }
  // Trained elsewhere: the config names the language token and the task.
  const { language, task } = config;
  if (typeof language !== 'string') return undefined;
  const target = language.replace(/^<\|(.*)\|>$/, '$1');
  return { target, kind: task === 'translate' ? 'target-translate' : 'target-transcribe' };
}
