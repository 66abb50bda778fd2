/** Tasks of an evaluation: tests, their clips with references, and the prompts. */
import { type Clip, referenceIn } from '../data/clip.ts';
import { sameLanguage } from '../language/profile.ts';
import type { BleuTokenizer } from '../metrics/tokenizers.ts';
import { namedLanguage, type PromptKind, promptOf } from '../whisper/prompts.ts';
import type { Task, Tokens } from '../whisper/tokens.ts';

export interface Item {
  readonly clip: Clip;
  readonly reference: string;
}

export interface Test {
  /** Name in files and tables. */
  readonly name: string;
  readonly task: Task;
  /** Language of the references; undefined: that of each clip. */
  readonly target: string | undefined;
  /** Whether it tests an ability from before training, decoded as plain Whisper. */
  readonly forgetting: boolean;
  readonly items: readonly Item[];
  /** Tokenizer of BLEU; default: that of the target's profile. */
  readonly tokenize?: BleuTokenizer | undefined;
}

/** The test of translation into `target`: clips in other languages that have a reference. */
export function translationTest(clips: readonly Clip[], target: string, forgetting: boolean): Test {
  const items = clips
    .filter(({ language }) => !sameLanguage(language, target))
    .map((clip) => ({ clip, reference: referenceIn(clip, target) }));
  return { name: `translation into ${target}`, task: 'translate', target, forgetting, items: usable(items) };
}

export function recognitionTest(clips: readonly Clip[], forgetting: boolean): Test {
  const items = clips.map((clip) => ({ clip, reference: clip.text }));
  return { name: 'recognition', task: 'transcribe', target: undefined, forgetting, items: usable(items) };
}

const usable = (items: readonly Item[]): Item[] => items.filter(({ reference }) => reference.trim() !== '');

/** Name of a prompt: one of those for translation, or `transcribe`. */
export type PromptName = PromptKind | 'transcribe';

/**
 * The prompt for a clip in a language.
 * @returns `lacking`, where the model has no token for the language that the prompt names
 */
export function promptFor(
  tokens: Tokens,
  { target }: Test,
  prompt: PromptName,
  language: string,
): { readonly ids: number[] } | { readonly lacking: string } {
  const named = prompt === 'transcribe' ? language : namedLanguage(tokens, prompt, target!, language);
  if (!tokens.hasLanguage(named)) return { lacking: named };
  return {
    ids:
      prompt === 'transcribe'
        ? tokens.prompt(language, 'transcribe')
        : promptOf(tokens, prompt, target!, language),
  };
}
