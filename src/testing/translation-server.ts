/**
 * For tests: a service of translation that answers by a dictionary, in the bodies that the documents of each give:
 * OpenAI's chat completions (platform.openai.com/docs/api-reference/chat/object), LibreTranslate's /languages and /translate
 * (docs.libretranslate.com), DeepL's /v2/translate (developers.deepl.com). It misbehaves on request.
 */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface Received {
  readonly path: string;
  readonly headers: IncomingMessage['headers'];
  readonly body: unknown;
}

/** Answers in place of the server, or returns false where it does not. */
export type Misbehaviour = (
  received: Received,
  response: ServerResponse,
  /** Number of the request, from 0. */
  number: number,
) => boolean | undefined;

export interface TranslationServer {
  readonly url: string;
  readonly received: Received[];
  misbehave: Misbehaviour | undefined;
  close(): Promise<void>;
}

type Translate = (text: string) => string;

interface ChatRequest {
  readonly model: string;
  readonly messages: readonly { readonly role: string; readonly content: string }[];
}

/** The sentences of a chat request, as its last message has them: a JSON object a line. */
export const askedOf = (body: unknown): { n: number; text: string; before?: string[] }[] =>
  (body as ChatRequest).messages
    .at(-1)!
    .content.split('\n')
    .map((line) => JSON.parse(line));

/** OpenAI's "chat completion object". */
export function completion(model: string, content: string): object {
  return {
    id: 'chatcmpl-B9MBs8CjcvOU2jLn4n570S5qMJKcT',
    object: 'chat.completion',
    created: 1741569952,
    model,
    choices: [
      {
        index: 0,
        message: { role: 'assistant', content, refusal: null, annotations: [] },
        logprobs: null,
        finish_reason: 'stop',
      },
    ],
    usage: { prompt_tokens: 120, completion_tokens: 40, total_tokens: 160 },
    service_tier: 'default',
  };
}

export function send(
  response: ServerResponse,
  status: number,
  body: unknown,
  headers: Record<string, string> = {},
): true {
  response.writeHead(status, { 'content-type': 'application/json', ...headers });
  response.end(typeof body === 'string' ? body : JSON.stringify(body));
  return true;
}

export async function startTranslationServer(translate: Translate): Promise<TranslationServer> {
  const received: Received[] = [];
  const server: TranslationServer = {
    url: '',
    received,
    misbehave: undefined,
    close: () =>
      new Promise((resolve) => {
        http.closeAllConnections();
        http.close(() => resolve());
      }),
  };
  const http = createServer(async (request, response) => {
    const pieces: Buffer[] = [];
    for await (const piece of request) pieces.push(piece as Buffer);
    const text = Buffer.concat(pieces).toString('utf8');
    const one: Received = {
      path: (request.url ?? '').split('?')[0]!,
      headers: request.headers,
      body: text === '' ? undefined : JSON.parse(text),
    };
    received.push(one);
    if (server.misbehave?.(one, response, received.length - 1)) return;
    answer(one, response, translate);
  });
  await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve));
  return Object.assign(server, { url: `http://127.0.0.1:${(http.address() as AddressInfo).port}` });
}

function answer({ path, body }: Received, response: ServerResponse, translate: Translate): void {
  if (path === '/v1/chat/completions') {
    const { model } = body as ChatRequest;
    const translations = askedOf(body).map(({ n, text }) => ({ n, text: translate(text) }));
    send(response, 200, completion(model, JSON.stringify({ translations })));
  } else if (path === '/languages') {
    send(response, 200, [
      { code: 'en', name: 'English', targets: ['en', 'fr', 'zh-Hans'] },
      { code: 'fr', name: 'French', targets: ['en', 'fr'] },
      { code: 'zh-Hans', name: 'Chinese', targets: ['en', 'zh-Hans'] },
    ]);
  } else if (path === '/translate') {
    const { q } = body as { q: string[] };
    send(response, 200, { translatedText: q.map(translate) });
  } else if (path === '/v2/translate') {
    const { text } = body as { text: string[] };
    send(response, 200, {
      translations: text.map((one) => ({ detected_source_language: 'EN', text: translate(one) })),
    });
  } else
    send(response, 404, { error: { message: `Invalid URL (POST ${path})`, type: 'invalid_request_error' } });
}
