/** The OpenAPI document, of the schemas that validate requests. */
import { z } from 'zod';
import { packageVersion } from '../report/package-version.ts';
import { transcriptionFields, translationFields } from './speech-fields.ts';

type Json = Record<string, unknown>;

const LISTS = ['timestamp_granularities', 'include'];

/** A form's fields, with lists under the names that OpenAI gives them, and the file. */
function formOf(fields: z.ZodObject): Json {
  const { properties = {} } = z.toJSONSchema(fields, { io: 'input' }) as { properties?: Json };
  const named = Object.entries(properties).map(([name, schema]) => [
    LISTS.includes(name) ? `${name}[]` : name,
    schema,
  ]);
  return {
    type: 'object',
    required: ['file'],
    properties: {
      file: { type: 'string', format: 'binary', description: 'A recording, of any common format.' },
      ...Object.fromEntries(named),
    },
  };
}

const json = (description: string, schema: Json = { type: 'object' }): Json => ({
  description,
  content: { 'application/json': { schema } },
});

const error = z.toJSONSchema(
  z.object({
    error: z.object({
      message: z.string(),
      type: z.string(),
      param: z.string().nullable(),
      code: z.string().nullable(),
    }),
  }),
) as Json;

const ERRORS = Object.fromEntries(
  Object.entries({
    400: 'A field, or the recording, cannot be used',
    401: 'No key, or another one',
    403: 'A web page of another site',
    404: 'No such model',
    408: 'The upload came too slowly',
    413: 'The upload is too large',
    429: 'As many requests as fit are being answered: ask again after retry-after',
    503: 'Nothing can be computed now: ask again after retry-after',
    504: 'It took longer than one request may',
  }).map(([status, description]) => [status, json(description, error)]),
);

const speech = (summary: string, fields: z.ZodObject): Json => ({
  post: {
    summary,
    requestBody: { required: true, content: { 'multipart/form-data': { schema: formOf(fields) } } },
    responses: {
      200: {
        description: 'The text, in the form of response_format; with stream, events',
        content: {
          'application/json': { schema: { type: 'object', properties: { text: { type: 'string' } } } },
          'text/plain': { schema: { type: 'string' } },
          'text/vtt': { schema: { type: 'string' } },
          'text/event-stream': { schema: { type: 'string' } },
        },
      },
      ...ERRORS,
    },
  },
});

const get = (summary: string, responses: Json, parameters: Json[] = []): Json => ({
  get: { summary, parameters, responses },
});

export const openApi = (): Json => ({
  openapi: '3.1.0',
  info: { title: 'whisper-transfer', version: packageVersion, license: { name: 'Apache-2.0' } },
  components: { securitySchemes: { key: { type: 'http', scheme: 'bearer' } } },
  security: [{ key: [] }, {}],
  paths: {
    '/v1/audio/transcriptions': speech('Transcribe speech in its own language', transcriptionFields),
    '/v1/audio/translations': speech(
      'Translate speech into English, or into the language that the model was trained for',
      translationFields,
    ),
    '/v1/models': get('Models that are served', { 200: json('The list') }),
    '/v1/models/{id}': get('A model', { 200: json('The model'), 404: ERRORS[404] }, [
      { name: 'id', in: 'path', required: true, schema: { type: 'string' } },
    ]),
    '/healthz': get('Whether the server runs', { 200: json('It does') }),
    '/readyz': get('Whether requests are computed at once', { 200: json('Yes'), 503: json('Not yet') }),
    '/metrics': get('Metrics for Prometheus', {
      200: { description: 'Metrics', content: { 'text/plain': { schema: { type: 'string' } } } },
    }),
  },
});
