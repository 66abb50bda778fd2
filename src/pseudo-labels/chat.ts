/** OpenAI's chat completions, as OpenAI, Ollama, vLLM, llama.cpp, LM Studio and others offer them. */
import { UserError } from '../errors.ts';
import { fingerprint } from '../files/fingerprint.ts';
import { type Endpoint, RequestFailed } from './endpoint.ts';
import type { Reply, TranslationEngine, Usage } from './engine.ts';
import { ANSWER_SCHEMA, type Example, messagesOf, textsOf } from './prompt.ts';

export interface ChatOptions {
  readonly model: string;
  readonly target: string;
  readonly prompt: string;
  readonly examples: readonly Example[];
  /** Further fields of each request: `{"reasoning_effort": "none"}`. */
  readonly fields: Readonly<Record<string, unknown>>;
}

/** How an endpoint is held to JSON, from the strictest on. */
const FORMATS: readonly object[] = [
  {
    response_format: {
      type: 'json_schema',
      json_schema: { name: 'translations', strict: true, schema: ANSWER_SCHEMA },
    },
  },
  { response_format: { type: 'json_object' } },
  {},
];

/** The part of a chat completion that is read. */
interface Completion {
  readonly choices?: readonly {
    readonly message?: { readonly content?: string | null; readonly refusal?: string | null } | null;
  }[];
  readonly usage?: { readonly prompt_tokens?: unknown; readonly completion_tokens?: unknown } | null;
}

/** The tokens of an answer; undefined where it does not tell them, or not in numbers: no limit would hold. */
function usageOf({ usage }: Completion): Usage | undefined {
  const { prompt_tokens: input, completion_tokens: output } = usage ?? {};
  const isCount = (value: unknown): value is number => Number.isFinite(value) && (value as number) >= 0;
  return isCount(input) && isCount(output ?? 0) ? { input, output: Number(output ?? 0) } : undefined;
}

export function chatEngine(
  endpoint: Endpoint,
  { model, target, prompt, examples, fields }: ChatOptions,
): TranslationEngine {
  /** What the endpoint takes is found out by its refusals. */
  let format = 0;
  let temperature: object = { temperature: 0 };

  async function complete(messages: object, options: Parameters<Endpoint['ask']>[2]) {
    for (;;) {
      const [usedFormat, usedTemperature] = [format, temperature];
      const body = { model, messages, ...usedTemperature, ...FORMATS[usedFormat], ...fields };
      try {
        return (await endpoint.ask('/chat/completions', body, options)) as Completion;
      } catch (error) {
        if (!(error instanceof RequestFailed && error.refused)) throw error;
        // Another request of the same moment may have found it out.
        if (usedFormat !== format || usedTemperature !== temperature) continue;
        if ('temperature' in temperature && /temperature/i.test(error.message)) temperature = {};
        else if (
          format < FORMATS.length - 1 &&
          /response_format|json|schema|grammar|guided|unsupported|unrecognized|extra|unknown/i.test(
            error.message,
          )
        )
          format++;
        else throw error;
      }
    }
  }

  return {
    name: model,
    unit: 'tokens',
    identity: fingerprint(
      JSON.stringify(['chat 1', endpoint.name, model, target, prompt, examples, fields]),
      32,
    ),
    textOf: (sentences, fault) =>
      messagesOf(prompt, examples, target, sentences, fault)
        .map(({ content }) => content)
        .join('\n'),
    translate: async (sentences, { fault, ...options }): Promise<Reply> => {
      const messages = messagesOf(prompt, examples, target, sentences, fault);
      const answer = await complete(messages, options);
      const { choices } = answer;
      const message = Array.isArray(choices) ? choices[0]?.message : undefined;
      if (!message) {
        throw new RequestFailed(
          `${endpoint.name}: found an answer without choices[0].message; expected a chat completion`,
        );
      }
      const content = typeof message.content === 'string' ? message.content : '';
      const counted = usageOf(answer);
      if (counted) endpoint.correct(counted.input + counted.output - options.tokens);
      // A refusal is an answer, and is checked as one.
      const texts =
        message.refusal && sentences.length === 1 ? [message.refusal] : textsOf(content, sentences.length);
      return { texts, usage: counted };
    },
  };
}

/** Parses the fields of `--request`. */
export function requestFields(text: string): Readonly<Record<string, unknown>> {
  let fields: unknown;
  try {
    fields = JSON.parse(text);
  } catch {
    fields = undefined;
  }
  if (typeof fields !== 'object' || fields === null || Array.isArray(fields))
    throw new UserError(
      `--request: found ${text.slice(0, 80)}; expected a JSON object: '{"reasoning_effort": "none"}'`,
    );
  const taken = ['model', 'messages', 'stream', 'n'].find((name) => name in fields);
  if (taken !== undefined) throw new UserError(`--request: found "${taken}"; expected other fields than it`);
  return fields as Record<string, unknown>;
}
