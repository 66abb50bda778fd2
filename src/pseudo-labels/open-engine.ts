/** Opens the engine of a service that the user named, with its key from the environment. */
import { UserError } from '../errors.ts';
import { chatEngine, requestFields } from './chat.ts';
import { deeplEngine } from './deepl.ts';
import { Endpoint } from './endpoint.ts';
import type { EngineName, TranslationEngine } from './engine.ts';
import { libreTranslateEngine } from './libretranslate.ts';
import type { PaceOptions } from './pace.ts';
import { DEFAULT_PROMPT, readExamples, readPrompt } from './prompt.ts';
import { type NamedEngine, severalEngines } from './several-engines.ts';

/** Variables that hold keys, with the host that each is for: it goes to no other one unasked. */
const KEYS: Readonly<Record<EngineName, { readonly variable: string; readonly host: string }>> = {
  chat: { variable: 'OPENAI_API_KEY', host: 'api.openai.com' },
  libretranslate: { variable: 'LIBRETRANSLATE_API_KEY', host: 'libretranslate.com' },
  deepl: { variable: 'DEEPL_AUTH_KEY', host: 'deepl.com' },
};

/** What a user says of a service. */
export interface ServiceOptions extends PaceOptions {
  readonly engine: EngineName;
  /** One, or several of the same service. */
  readonly urls: readonly [string, ...string[]];
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
  /** Called with a line where one of several endpoints is left out. */
  readonly onNote: (note: string) => void;
}

/**
 * @returns hosts: those that are other machines
 * @throws UserError for what the engine does not have, a URL that is none, a missing key, a prompt that cannot be read
 */
export async function openEngine(
  options: ServiceOptions,
): Promise<{ engine: TranslationEngine; hosts: readonly string[] }> {
  const { engine: name, model, urls, onNote } = options;
  if (name === 'chat' && model === undefined)
    throw new UserError('--model: found nothing; expected the name of a model of the endpoint');
  if (name !== 'chat') {
    const given = (['model', 'prompt', 'examples', 'request'] as const).find(
      (one) => options[one] !== undefined,
    );
    const flag = given ?? (options.context > 0 ? 'context' : undefined);
    if (flag) throw new UserError(`--${flag}: is for --engine chat; expected none with ${name}`);
  }
  const opened: NamedEngine[] = [];
  const hosts = new Set<string>();
  for (const url of urls) {
    const key = keyFor(options, url);
    const headers: Record<string, string> =
      key === '' || name === 'libretranslate'
        ? {}
        : { authorization: `${name === 'deepl' ? 'DeepL-Auth-Key' : 'Bearer'} ${key}` };
    const endpoint = new Endpoint({
      ...options,
      ...{ url, key, headers },
      keyHint: `--key-env names the variable that holds it${key === '' ? '; none was sent' : ''}`,
      timeoutMs: options.timeout * 1000,
    });
    if (!endpoint.isLocal) hosts.add(endpoint.host);
    if (opened.some((one) => one.name === endpoint.name))
      throw new UserError(`--url: found ${endpoint.name} twice; expected different endpoints`);
    opened.push({ engine: await engineOf(endpoint, options, key), name: endpoint.name });
  }
  const [first, ...others] = opened;
  const engine = others.length === 0 ? first!.engine : severalEngines([first!, ...others], onNote);
  return { engine, hosts: [...hosts] };
}

async function engineOf(
  endpoint: Endpoint,
  options: ServiceOptions,
  key: string,
): Promise<TranslationEngine> {
  const { engine: name, model, target, prompt, examples, request } = options;
  if (name === 'libretranslate') return libreTranslateEngine(endpoint, target, key);
  if (name === 'deepl') return deeplEngine(endpoint, target);
  return chatEngine(endpoint, {
    ...{ model: model!, target },
    prompt: prompt === undefined ? DEFAULT_PROMPT : await readPrompt(prompt),
    examples: examples === undefined ? [] : await readExamples(examples, target),
    fields: request === undefined ? {} : requestFields(request),
  });
}

/** The key from the environment; '' for none. */
function keyFor({ engine, keyEnv }: ServiceOptions, url: string): string {
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
