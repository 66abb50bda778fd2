/**
 * Fields of a request for a transcription or a translation: OpenAI's, and few more. The same schemas validate and describe
 * (openapi.ts). Fields that they do not know are left alone: clients send many.
 */
import { z } from 'zod';
import { languageProfile, namedLanguage } from '../language/profile.ts';
import type { Task } from '../whisper/tokens.ts';
import { type ApiError, badRequest } from './api-error.ts';
import type { ServedModel, SpeechRequest } from './engine.ts';

/** A text field that is left empty is as if it were not there: forms of many clients send all of theirs. */
const text = z.string().transform((value) => value.trim() || undefined);

const boolean = z
  .enum(['true', 'false', '1', '0', 'True', 'False'])
  .transform((value) => /^(?:1|true)$/i.test(value))
  .meta({ type: 'boolean' });

const language = text.transform((value, context) => {
  if (value === undefined || value.toLowerCase() === 'auto') return undefined;
  try {
    return namedLanguage(value).code;
  } catch (error) {
    context.addIssue({ code: 'custom', message: (error as Error).message });
    return z.NEVER;
  }
});

export const RESPONSE_FORMATS = ['json', 'text', 'srt', 'verbose_json', 'vtt', 'diarized_json'] as const;
export type ResponseFormat = (typeof RESPONSE_FORMATS)[number];

const TEMPERATURES = { error: 'a number from 0 to 1' };

const shared = {
  model: text
    .optional()
    .describe('Id of a served model; "whisper-1" is the default one. Default: the default one.'),
  language: language
    .optional()
    .describe('The language spoken, as a code or a name: fr, pt-BR, French. Default: detected.'),
  prompt: z.string().optional().describe('Text said before, such as names in their spelling.'),
  response_format: z
    .enum(RESPONSE_FORMATS)
    .default('json')
    .describe('Form of the answer. diarized_json: with who speaks.'),
  temperature: z.coerce
    .number(TEMPERATURES)
    .min(0, TEMPERATURES)
    .max(1, TEMPERATURES)
    .default(0)
    .describe(
      '0: the likeliest text; where it repeats itself or is unlikely, others at rising temperatures.',
    ),
  stream: boolean.optional().describe('Events as the text is done, in place of one answer.'),
  vad_filter: boolean.optional().describe('Extension: leave stretches without speech out.'),
};

export const transcriptionFields = z.object({
  ...shared,
  timestamp_granularities: z
    .array(z.enum(['word', 'segment']))
    .default(['segment'])
    .describe('With verbose_json: which times to tell.'),
  include: z
    .array(z.enum(['logprobs']))
    .default([])
    .describe('With json: log probabilities of the tokens.'),
});

export const translationFields = z.object({
  ...shared,
  to_language: language
    .optional()
    .describe(
      'Extension: the language to translate into. Default: the one that the model was trained for, else en.',
    ),
  timestamp_granularities: transcriptionFields.shape.timestamp_granularities,
  include: transcriptionFields.shape.include,
});

type TranscriptionFields = z.infer<typeof transcriptionFields>;
export type SpeechFields = TranscriptionFields & Pick<z.infer<typeof translationFields>, 'to_language'>;

const LISTS: ReadonlySet<string> = new Set(['timestamp_granularities', 'include']);

/** @throws ApiError that names the field */
export function speechFields(task: Task, values: ReadonlyMap<string, readonly string[]>): SpeechFields {
  const schema = task === 'translate' ? translationFields : transcriptionFields;
  const found: Record<string, unknown> = {};
  for (const name of Object.keys(schema.shape)) {
    const given = values.get(name)?.filter((value) => value !== '' || name === 'prompt');
    if (given === undefined || given.length === 0) continue;
    // A list may come as one field for each, or as one with commas.
    if (LISTS.has(name)) found[name] = given.flatMap((value) => value.split(',')).map((one) => one.trim());
    else if (given.length > 1) throw badRequest(`${name}: found ${given.length} values; expected one`, name);
    else found[name] = given[0];
  }
  const result = schema.safeParse(found);
  if (!result.success) throw fieldError(result.error, found);
  return result.data;
}

function fieldError({ issues }: z.ZodError, found: Record<string, unknown>): ApiError {
  const { path, message, ...issue } = issues[0]!;
  const name = String(path[0] ?? 'body');
  if (issue.code === 'custom') return badRequest(`${name}: ${message}`, name);
  const value = path.reduce<unknown>((at, key) => (at as Record<PropertyKey, unknown>)?.[key], found);
  const expected = 'values' in issue ? `any of ${issue.values.join(', ')}` : message;
  return badRequest(`${name}: found ${JSON.stringify(value)?.slice(0, 100)}; expected ${expected}`, name);
}

/**
 * What the process that computes is asked.
 * @throws ApiError where the model does not know the language
 */
export function speechRequest(
  task: Task,
  model: ServedModel,
  audio: string,
  fields: SpeechFields,
): SpeechRequest {
  const { language: from, to_language: to, prompt, temperature, response_format: format } = fields;
  const base = from === undefined ? undefined : languageProfile(from).base;
  if (base !== undefined && !model.languages.includes(base))
    throw badRequest(
      `language: found ${JSON.stringify(from)}, which ${model.id} does not know; expected any of ${model.languages.join(', ')}`,
      'language',
    );
  const words = wantsWords(fields);
  return {
    model: model.id,
    task,
    audio,
    options: {
      ...(base !== undefined && { from: base }),
      ...(to !== undefined && { to }),
      ...(prompt && { prompt }),
      // As in OpenAI's program: 0 is where it begins.
      ...(temperature === 0 ? { fallback: true } : { temperature }),
      ...(words && { words }),
      ...(format !== 'json' && format !== 'text' && { timestamps: true }),
      ...(format === 'diarized_json' && { speakers: true }),
      ...(fields.vad_filter && { skipSilence: true }),
    },
  };
}

export const wantsWords = ({ response_format, timestamp_granularities }: SpeechFields): boolean =>
  response_format === 'verbose_json' && timestamp_granularities.includes('word');
