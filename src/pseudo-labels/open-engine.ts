/** Opens the engine of a service that the user named, with its key from the environment. */
import { UserError } from '../errors.ts';
import { chatEngine, requestFields } from './chat.ts';
import { deeplEngine } from './deepl.ts';
import { Endpoint } from './endpoint.ts';
import type { EngineName, TranslationEngine } from './engine.ts';
import { libreTranslateEngine } from './libretranslate.ts';
import type { PaceOptions } from './pace.ts';
import { DEFAULT_PROMPT, readExamples, readPrompt } from './prompt.ts';

/** Variables that hold keys, with the host that each is for: it goes to no other one unasked. */
const KEYS: Readonly<Record<EngineName, { readonly variable: string; readonly host: string }>> = {
  chat: { variable: 'OPENAI_API_KEY', host: 'api.openai.com' },
  libretranslate: { variable: 'LIBRETRANSLATE_API_KEY', host: 'libretranslate.com' },
  deepl: { variable: 'DEEPL_AUTH_KEY', host: 'deepl.com' },
};

/** What a user says of a service. */
export interface ServiceOptions extends PaceOptions {
  readonly engine: EngineName;
  readonly url: string;
  readonly target: string;
  /** Of `chat`, which needs it. */
  readonly model?: string | undefined;
  /** Environment variable with the key. */
  readonly keyEnv?: string | undefined;
  /** Files of a prompt, and of examples. */
  readonly prompt?: string | undefined;
  readonly examples?: string | undefined;
  /** Clips before each that are shown to a chat model. */
  readonly context: number;
  /** Further fields of each chat request, as JSON. */
  readonly request?: string | undefined;
  /** Longest wait for an answer, seconds. */
  readonly timeout: number;
}

/**
 * @throws UserError for what the engine does not have, a URL that is none, a missing key, a prompt that cannot be read
 */
export async function openEngine(
  options: ServiceOptions,
): Promise<{ engine: TranslationEngine; isLocal: boolean; host: string }> {
  const { engine: name, model, target } = options;
  if (name === 'chat' && model === undefined)
    throw new UserError('--model: found nothing; expected the name of a model of the endpoint');
  if (name !== 'chat') {
    const given = (['model', 'prompt', 'examples', 'request'] as const).find(
      (one) => options[one] !== undefined,
    );
    const flag = given ?? (options.context > 0 ? 'context' : undefined);
    if (flag) throw new UserError(`--${flag}: is for --engine chat; expected none with ${name}`);
  }
  const key = keyFor(options);
  const headers: Record<string, string> =
    key === '' || name === 'libretranslate'
      ? {}
      : { authorization: `${name === 'deepl' ? 'DeepL-Auth-Key' : 'Bearer'} ${key}` };
  const endpoint = new Endpoint({
    ...options,
    key,
    headers,
    keyHint: `--key-env names the variable that holds it${key === '' ? '; none was sent' : ''}`,
    timeoutMs: options.timeout * 1000,
  });
  const { isLocal, host } = endpoint;
  if (name === 'libretranslate') {
    return { engine: libreTranslateEngine(endpoint, target, key), isLocal, host };
  }
  if (name === 'deepl') {
    return { engine: deeplEngine(endpoint, target), isLocal, host };
  }
  const engine = chatEngine(endpoint, {
    model: model!,
    target,
    prompt: options.prompt === undefined ? DEFAULT_PROMPT : await readPrompt(options.prompt),
    examples: options.examples === undefined ? [] : await readExamples(options.examples, target),
    fields: options.request === undefined ? {} : requestFields(options.request),
  });
  return { engine, isLocal, host };
}

/** The key from the environment; '' for none. */
function keyFor({ engine, keyEnv, url }: ServiceOptions): string {
  if (keyEnv !== undefined) {
    const key = process.env[keyEnv]?.trim();
    if (!key)
      throw new UserError(
        `--key-env ${keyEnv}: found no such variable, or an empty one; expected a key in it`,
      );
    return key;
  }
  const { variable, host } = KEYS[engine];
  const hostname = URL.canParse(url) ? new URL(url).hostname : '';
  return hostname === host || hostname.endsWith(`.${host}`) ? (process.env[variable]?.trim() ?? '') : '';
}
