/** The prompt of a chat model: what it is told, and the numbered sentences in JSON. */

import { referenceIn } from '../data/clip.ts';
import { readManifest } from '../data/manifest.ts';
import { UserError } from '../errors.ts';
import { readText } from '../files/read.ts';
import { englishName } from '../language/names.ts';
import { languageProfile } from '../language/profile.ts';
import type { Sentence } from './sentence.ts';

export const DEFAULT_PROMPT =
  'You translate transcripts of speech from {source} into {target}. Translate what is said, in plain spoken {target}, ' +
  'as a person would say it: complete, nothing added, nothing explained, no choice of several. Keep names, and write numbers ' +
  'that are in digits in digits. Where a sentence is cut off or unclear, translate it as it stands.';

/** Follows any prompt: how the answer is read is not the user's to change. */
const FORMAT =
  'Each line of a request is a JSON object with a sentence ("text"), its number ("n") and sometimes the sentences said before ' +
  'it ("before", which only help to understand it and are not translated). Answer with one JSON object and nothing else: ' +
  '{"translations": [{"n": 1, "text": "…"}, …]}, with each number once.';

const PLACEHOLDERS = ['source', 'target'];
const MAX_PROMPT_BYTES = 100_000;

/** @throws UserError for a file that cannot be read, is empty, or has a placeholder that means nothing */
export async function readPrompt(file: string): Promise<string> {
  const text = (await readText(file, 'a prompt, as text', MAX_PROMPT_BYTES)).trim();
  if (text === '') throw new UserError(`${file}: found nothing; expected a prompt`);
  for (const [placeholder, name] of text.matchAll(/\{([a-z_]+)\}/g)) {
    if (!PLACEHOLDERS.includes(name!)) {
      const known = PLACEHOLDERS.map((one) => `{${one}}`).join(' and ');
      throw new UserError(`${file}: found the placeholder ${placeholder}; expected ${known}`);
    }
  }
  return text;
}

/** A sentence with its translation, shown to the model before the request. */
export interface Example {
  readonly language: string;
  readonly text: string;
  readonly translation: string;
}

/** Most examples of a prompt: they are sent with each request. */
const MAX_EXAMPLES = 50;

/**
 * Reads examples: a table with the columns `text` and `text_<target>`, as a manifest without recordings.
 * @throws UserError where it has none
 */
export async function readExamples(file: string, target: string): Promise<Example[]> {
  const clips = await readManifest(file, { withoutAudio: true });
  const examples = clips
    .map((clip) => ({
      language: clip.language,
      text: clip.text.trim(),
      translation: referenceIn(clip, target).trim(),
    }))
    .filter(({ text, translation }) => text !== '' && translation !== '');
  const { code } = languageProfile(target);
  if (examples.length === 0 || examples.length > MAX_EXAMPLES) {
    throw new UserError(
      `${file}: found ${examples.length} sentences with their translation; expected 1 to ${MAX_EXAMPLES}, in the columns ` +
        `text and text_${code}`,
    );
  }
  return examples;
}

export interface Message {
  readonly role: 'system' | 'user' | 'assistant';
  readonly content: string;
}

/** The name of a language for a model: "Brazilian Portuguese", "Simplified Chinese". */
function spelled(code: string): string {
  if (code === '') return 'the language that is spoken';
  const { tag, script } = languageProfile(code);
  if (script === 'Hans' && !tag.includes('-')) return 'Simplified Chinese';
  return englishName(tag) ?? code;
}

/**
 * The messages of a request.
 * @param sentences in one language
 * @param fault why an earlier answer was refused
 */
export function messagesOf(
  prompt: string,
  examples: readonly Example[],
  target: string,
  sentences: readonly Sentence[],
  fault?: string,
): Message[] {
  const source = spelled(sentences[0]!.language);
  const filled = prompt.replaceAll('{source}', source).replaceAll('{target}', spelled(target));
  const again =
    fault === undefined ? '' : `\n\nAn earlier translation was refused: ${fault}. Translate it again.`;
  const shown = examples.filter(
    ({ language }) => language === '' || language === sentences[0]!.language || sentences[0]!.language === '',
  );
  return [
    { role: 'system', content: `${filled}\n\n${FORMAT}${again}` },
    ...(shown.length === 0
      ? []
      : [
          { role: 'user', content: request(shown.map(({ text }) => ({ text, before: [] }))) } as const,
          {
            role: 'assistant',
            content: JSON.stringify({
              translations: shown.map(({ translation }, i) => ({ n: i + 1, text: translation })),
            }),
          } as const,
        ]),
    { role: 'user', content: request(sentences) },
  ];
}

const request = (sentences: readonly Pick<Sentence, 'text' | 'before'>[]): string =>
  sentences
    .map(({ text, before }, i) => JSON.stringify({ n: i + 1, ...(before.length > 0 && { before }), text }))
    .join('\n');

/** JSON Schema of an answer, in the part of the language that "strict" asks for. */
export const ANSWER_SCHEMA = {
  type: 'object',
  properties: {
    translations: {
      type: 'array',
      items: {
        type: 'object',
        properties: { n: { type: 'integer' }, text: { type: 'string' } },
        required: ['n', 'text'],
        additionalProperties: false,
      },
    },
  },
  required: ['translations'],
  additionalProperties: false,
} as const;

/**
 * The texts of an answer by their numbers; undefined where they are not those asked for, each once. Of a single sentence an
 * answer in another form is its text: small models write just that, and what is no translation is found by the checks.
 */
export function textsOf(content: string, count: number): string[] | undefined {
  const text = withoutThoughts(content).trim();
  const json = objectIn(text);
  const translations = (json as { translations?: unknown } | undefined)?.translations;
  if (!Array.isArray(translations)) return count === 1 ? [text] : undefined;
  if (translations.length !== count) return undefined;
  const texts = new Array<string | undefined>(count).fill(undefined);
  for (const one of translations as readonly { n?: unknown; text?: unknown }[]) {
    // Number() would throw at an object, and takes some models' "1".
    const n = typeof one?.n === 'string' ? Number(one.n) : one?.n;
    if (typeof one?.text !== 'string' || typeof n !== 'number' || !Number.isInteger(n) || n < 1 || n > count)
      return undefined;
    if (texts[n - 1] !== undefined) return undefined;
    texts[n - 1] = one.text;
  }
  return texts as string[];
}

/** Models that think aloud do so before the answer. */
const withoutThoughts = (content: string): string => content.replace(/^\s*<think>[\s\S]*?<\/think>/, '');

/** The object in a text, which some models put between words or into a block of code. */
function objectIn(text: string): object | undefined {
  const begin = text.indexOf('{');
  const end = text.lastIndexOf('}');
  if (begin < 0 || end < begin) return undefined;
  try {
    const value: unknown = JSON.parse(text.slice(begin, end + 1));
    return typeof value === 'object' && value !== null ? value : undefined;
  } catch {
    return undefined;
  }
}
