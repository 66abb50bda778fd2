/**
 * The prompts for translation into languages other than English. Three are direct (Ma et al. 2024): the
 * token of the target language with the task transcribe or translate, or the token of the source language with
 * translate. The last needs a source language that Whisper has a token for.
 *
 * English first is Whisper's own translation into English, carried on (englishPrompt): the English text, the token of the
 * target language as separator, the text in the target language. The separator stands in no text.
 */
import { UserError } from '../errors.ts';
import { languageProfile, sameLanguage } from '../language/profile.ts';
import { relatedLanguages } from '../language/related.ts';
import type { Task, Tokens } from './tokens.ts';

export const PROMPT_KINDS = [
  'target-transcribe',
  'target-translate',
  'source-translate',
  'english-first',
] as const;
export type PromptKind = (typeof PROMPT_KINDS)[number];

const taskOf = (kind: PromptKind): Task => (kind === 'target-transcribe' ? 'transcribe' : 'translate');

/**
 * @param target a code; script and region (zh-Hant) are ignored, as a language has one token
 * @throws UserError where the language that the prompt names has no token
 */
export function promptOf(tokens: Tokens, kind: PromptKind, target: string, source: string): number[] {
  const { base } = languageProfile(target);
  if (kind !== 'source-translate' && !tokens.hasLanguage(base)) throw new UserError(withoutToken(base));
  return tokens.prompt(namedLanguage(tokens, kind, target, source), taskOf(kind));
}

/**
 * The language of a prompt's token: the code without script and region (zh-Hant is zh). English first takes the token of a
 * related language where the source has none.
 */
export function namedLanguage(tokens: Tokens, kind: PromptKind, target: string, source: string): string {
  if (kind === 'source-translate') return source;
  if (kind !== 'english-first') return languageProfile(target).base;
  return knownLanguage(tokens, source) ?? source;
}

/** The language itself, or a related one where the model has no token for it; undefined where it has for none. */
export function knownLanguage(tokens: Tokens, language: string): string | undefined {
  const { base } = languageProfile(language);
  return [language, base, ...relatedLanguages(language)].find((code) => tokens.hasLanguage(code));
}

/** English first: the prompt before the English text from which the decoder goes on, whatever was spoken. */
export function englishPrompt(tokens: Tokens): number[] {
  return tokens.prompt('en', 'translate');
}

/** The token between the English text and that in the target language; undefined for direct prompts. */
export function separatorOf(tokens: Tokens, kind: PromptKind, target: string): number | undefined {
  return kind === 'english-first' ? tokens.language(languageProfile(target).base) : undefined;
}

/** Whether a prompt has no token of the source language. */
const namesTarget = (kind: PromptKind): boolean => kind.startsWith('target');

function withoutToken(target: string): string {
  const [nearest = 'en', ...others] = relatedLanguages(target);
  return (
    `the model has no token for "${target}"; expected it trained with that of another language ` +
    `(train --to ${target} --token-of ${nearest}) or with a new one (--new-token-from ${[nearest, ...others].join()})`
  );
}

export interface TrainedPrompt {
  readonly target: string;
  /** All target languages of the training, of which the prompt chooses one. Default: only the target. */
  readonly targets?: readonly string[] | undefined;
  readonly kind: PromptKind;
}

export function isTrainedFor(prompt: TrainedPrompt | undefined, target: string): boolean {
  const targets = prompt && (prompt.targets ?? [prompt.target]);
  return Boolean(targets?.some((code) => sameLanguage(code, target)));
}

/** Field of the generation config for what Hugging Face has no field for: the prompt of the training. */
const FIELD = 'whisper_transfer';

/**
 * Fields of a trained model's generation config, as transformers' `generate` reads them. It accepts Whisper's own
 * languages by code, and others by their entry in `lang_to_id`.
 */
export function generationFields(
  tokens: Tokens,
  { target, targets, kind }: TrainedPrompt,
): Record<string, unknown> {
  const { base } = languageProfile(target);
  const language = tokens.languages.has(base) ? base : `<|${base}|>`;
  return {
    // With the source language in the prompt, `generate` detects it where it is not given.
    ...(namesTarget(kind) && { language }),
    task: taskOf(kind),
    return_timestamps: false,
    [FIELD]: { target, ...(targets && targets.length > 1 && { targets }), prompt: kind },
  };
}

/** @returns undefined for a model that was not trained here */
export function trainedPrompt(config: Readonly<Record<string, unknown>>): TrainedPrompt | undefined {
  const own = config[FIELD] as { target?: unknown; targets?: unknown; prompt?: unknown } | undefined;
  if (typeof own?.target === 'string' && PROMPT_KINDS.includes(own.prompt as PromptKind)) {
    const targets = Array.isArray(own.targets) && { targets: own.targets.map(String) };
    return { target: own.target, ...targets, kind: own.prompt as PromptKind };
  }
  // Trained elsewhere: the config names the language token and the task.
  const { language, task } = config;
  if (typeof language !== 'string') return undefined;
  // By code, by token or by name: `hi`, `<|hi|>`, `Hindi`.
  const target = languageProfile(language).code;
  return { target, kind: task === 'translate' ? 'target-translate' : 'target-transcribe' };
}
