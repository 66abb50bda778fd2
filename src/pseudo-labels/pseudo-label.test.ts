/** A run over a manifest against a service on this machine that speaks each protocol: what is asked, kept, written, left out. */
import { spawn } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type OpenAI from 'openai';
import { afterAll, beforeAll, beforeEach, expect, test, vi } from 'vitest';
import { readManifest } from '../data/manifest.ts';
import type { StageProgress } from '../report/progress.ts';
import {
  askedOf,
  completion,
  type Received,
  send,
  startTranslationServer,
  type TranslationServer,
} from '../testing/translation-server.ts';
import { Budget, type BudgetOptions } from './budget.ts';
import { chatEngine } from './chat.ts';
import { deeplEngine } from './deepl.ts';
import { Endpoint } from './endpoint.ts';
import type { TranslationEngine } from './engine.ts';
import { libreTranslateEngine } from './libretranslate.ts';
import { DEFAULT_PROMPT, readExamples, readPrompt } from './prompt.ts';
import { type Plan, pseudoLabel } from './pseudo-label.ts';
import { eachOnce, sentencesOf } from './sentence.ts';
import { severalEngines } from './several-engines.ts';

const CLI = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'pseudo-'));
const path = (name: string) => join(folder, name);

const WORDS: Readonly<Record<string, string>> = {
  'He takes a walk.': '他去散步。',
  'She reads a book.': '她在看书。',
  'It is raining today.': '今天下雨。',
  'We go home now.': '我们现在回家。',
  'Where is the station?': '车站在哪里？',
};
const SENTENCES = Object.keys(WORDS);
let server: TranslationServer;
beforeAll(async () => {
  server = await startTranslationServer((text) => WORDS[text] ?? `他说：${text.length}`);
});
afterAll(async () => {
  await server.close();
  rmSync(folder, { recursive: true });
});
let cache = 0;
beforeEach(() => {
  server.misbehave = undefined;
  server.received.length = 0;
  cache++;
});

function manifest(name: string, rows: readonly (readonly string[])[], header = 'audio\tlang\ttext'): string {
  writeFileSync(path(name), `${[header, ...rows.map((row) => row.join('\t'))].join('\n')}\n`);
  return path(name);
}
const five = () =>
  manifest(
    'five.tsv',
    SENTENCES.map((text, i) => [`${i}.wav`, 'en', text]),
  );

const endpoint = (base = '/v1', at = server) =>
  new Endpoint({ url: `${at.url}${base}`, timeoutMs: 5000, firstWaitMs: 1 });
const chat = (more: Partial<Parameters<typeof chatEngine>[1]> = {}, at = endpoint()) =>
  chatEngine(at, {
    model: 'qwen3',
    target: 'zh',
    prompt: DEFAULT_PROMPT,
    examples: [],
    fields: {},
    ...more,
  });

interface Run {
  target?: string;
  of?: typeof pseudoLabel;
  engine?: TranslationEngine;
  context?: number;
  batchSize?: number;
  concurrency?: number;
  budget?: Partial<BudgetOptions> | Budget;
  skipped?: string[];
  onProgress?: (progress: StageProgress) => void;
  begin?: (plan: Plan) => Promise<boolean>;
}
const countTokens = (text: string) => Math.ceil(text.length / 4);
const run = (
  file: string,
  {
    target = 'zh',
    of = pseudoLabel,
    engine = chat({ target }),
    context = 0,
    batchSize = 16,
    concurrency = 2,
    budget,
    skipped,
    onProgress,
    begin,
  }: Run = {},
) =>
  of(file, path('out.tsv'), {
    target,
    engine,
    context,
    batchSize,
    concurrency,
    cache: path(`cache-${cache}`),
    budget: budget instanceof Budget ? budget : new Budget({ priceIn: 0, priceOut: 0, ...budget }),
    countTokens,
    onProgress,
    onSkip: (line) => skipped?.push(line),
    begin: begin ?? (async () => true),
  });
const written = async () =>
  (await readManifest(path('out.tsv'))).map(({ translations, other }) => [translations.zh, other.pseudo_zh]);
const asked = () => server.received.flatMap(({ body }) => askedOf(body).map(({ text }) => text));

test('each sentence is asked for once, rows with a translation keep it, and machine-made texts are marked', async () => {
  const file = manifest(
    'rows.tsv',
    [
      ['a.wav', 'en', 'He takes a walk.', '', 'anna'],
      ['b.wav', 'en', 'He takes  a walk.', '', 'ben'],
      ['c.wav', 'en', 'She reads a book.', '她读书。', 'anna'],
      ['d.wav', 'en', '', '', 'anna'],
    ],
    'audio\tlang\ttext\ttext_zh\tspeaker',
  );
  let plan: Plan | undefined;
  const result = await run(file, {
    begin: async (told) => {
      plan = told;
      return true;
    },
  });
  expect(plan).toMatchObject({
    rows: 4,
    translated: 1,
    withoutText: 1,
    sentences: 1,
    kept: 0,
    characters: 16,
  });
  expect(asked()).toEqual(['He takes a walk.']);
  expect(result).toMatchObject({ labelled: 2, leftOut: {}, unanswered: 0, stopped: false });
  expect(await written()).toEqual([
    ['他去散步。', 'qwen3'],
    ['他去散步。', 'qwen3'],
    ['她读书。', ''],
    [undefined, ''],
  ]);
  expect((await readManifest(path('out.tsv'))).map(({ other }) => other.speaker)).toEqual([
    'anna',
    'ben',
    'anna',
    'anna',
  ]);
});

test('a request is one that the official client could send, and asks for JSON by a schema', async () => {
  await run(five());
  const { path: where, body, headers } = server.received[0]!;
  expect(where).toBe('/v1/chat/completions');
  expect(headers['content-type']).toBe('application/json');
  const request = body as OpenAI.ChatCompletionCreateParamsNonStreaming;
  expect(Object.keys(request).sort()).toEqual(['messages', 'model', 'response_format', 'temperature']);
  // The types are checked here, the values below.
  const format: OpenAI.ResponseFormatJSONSchema = {
    type: 'json_schema',
    json_schema: { name: 'translations', strict: true, schema: expect.any(Object) },
  };
  expect(request.response_format).toEqual(format);
  expect(request.messages.map(({ role }) => role)).toEqual(['system', 'user']);
  expect(request.messages[0]!.content).toContain('from English into Simplified Chinese');
});

test('a second run asks nothing; a changed prompt or model asks anew', async () => {
  await run(five());
  expect(server.received).toHaveLength(1);
  await run(five());
  expect(server.received).toHaveLength(1);
  await run(five(), { engine: chat({ prompt: 'Translate into {target}.' }) });
  await run(five(), { engine: chat({ model: 'other' }) });
  expect(server.received).toHaveLength(3);
});

test('a second run judges kept answers in a language that shares its script with others', async () => {
  server.misbehave = ({ body }, response) => {
    const translations = askedOf(body).map(({ n }) => ({ n, text: 'Elle lit un livre dans le jardin.' }));
    return send(response, 200, completion('qwen3', JSON.stringify({ translations })));
  };
  // A module of its own: another test may have loaded the identifier.
  vi.resetModules();
  const { pseudoLabel: fresh } = await import('./pseudo-label.ts');
  for (let time = 0; time < 2; time++)
    expect(await run(five(), { target: 'fr', of: time === 0 ? pseudoLabel : fresh })).toMatchObject({
      labelled: 5,
    });
  expect(server.received).toHaveLength(1);
});

test.each([
  ['a missing number', (texts: object[]) => texts.slice(1)],
  ['a number twice', (texts: object[]) => [texts[0], ...texts.slice(0, -1)]],
  ['numbers from zero', (texts: object[]) => texts.map((one, n) => ({ ...one, n }))],
  ['objects for numbers', (texts: object[]) => texts.map((one) => ({ ...one, n: { toString: 1 } }))],
])('a reply with %s is asked for again in halves', async (_, broken) => {
  server.misbehave = ({ body }, response) => {
    const sentences = askedOf(body);
    if (sentences.length < 3) return false;
    const translations = broken(sentences.map(({ n, text }) => ({ n, text: WORDS[text] })));
    return send(response, 200, completion('qwen3', JSON.stringify({ translations })));
  };
  expect(await run(five())).toMatchObject({ labelled: 5 });
  expect(server.received.map(({ body }) => askedOf(body).length)).toEqual([5, 3, 2, 1, 2]);
  expect(await written()).toEqual(SENTENCES.map((text) => [WORDS[text], 'qwen3']));
});

test('an answer in a block of code, after thoughts, or in plain text to a single sentence is read', async () => {
  const wrap = [
    (text: string) => `<think>Hm, {"translations"…</think>\n${text}`,
    (text: string) => `Here you are:\n\`\`\`json\n${text}\n\`\`\``,
    (text: string) => JSON.parse(text).translations[0].text,
  ];
  server.misbehave = ({ body }, response, number) => {
    const translations = askedOf(body).map(({ n, text }) => ({ n, text: WORDS[text] }));
    return send(response, 200, completion('qwen3', wrap[number % 3]!(JSON.stringify({ translations }))));
  };
  expect(await run(five(), { batchSize: 1 })).toMatchObject({ labelled: 5 });
  expect(server.received).toHaveLength(5);
});

test('a doubtful answer is asked for once more with the reason, then left out with a line, and never again', async () => {
  server.misbehave = ({ body }, response) => {
    const translations = askedOf(body).map(({ n, text }) => ({
      n,
      text: text === 'We go home now.' ? 'Nous rentrons à la maison.' : WORDS[text],
    }));
    return send(response, 200, completion('qwen3', JSON.stringify({ translations })));
  };
  const result = await run(five());
  expect(result).toMatchObject({ labelled: 4, leftOut: { language: 1 }, unanswered: 0 });
  expect(asked()).toEqual([...SENTENCES, 'We go home now.']);
  const again = server.received[1]!.body as OpenAI.ChatCompletionCreateParamsNonStreaming;
  expect(again.messages[0]!.content).toContain(
    'An earlier translation was refused: it was not in the language',
  );
  expect(readFileSync(result!.report!, 'utf8').split('\n')[1]).toBe(
    `${path('3.wav')}\tlanguage\tWe go home now.\tNous rentrons à la maison.`,
  );
  expect((await written())[3]).toEqual([undefined, '']);
  await run(five());
  expect(server.received).toHaveLength(2);
});

test('a doubtful answer whose second request failed is asked for in the next run, which ends with all done', async () => {
  const progress: string[] = [];
  server.misbehave = ({ body }, response, number) => {
    if (number === 1) return send(response, 400, { error: { message: 'content_filter' } });
    const translations = askedOf(body).map(({ n, text }) => ({
      n,
      text: text === 'We go home now.' && number === 0 ? 'Nous rentrons à la maison.' : WORDS[text],
    }));
    return send(response, 200, completion('qwen3', JSON.stringify({ translations })));
  };
  const onProgress = ({ done, total }: StageProgress) => progress.push(`${done} of ${total}`);
  expect(await run(five(), { onProgress })).toMatchObject({ labelled: 4, leftOut: { language: 1 } });
  expect(await run(five(), { onProgress })).toMatchObject({ labelled: 5, leftOut: {} });
  expect(asked()).toEqual([...SENTENCES, 'We go home now.', 'We go home now.']);
  expect(progress).toEqual(['0 of 5', '5 of 5', '4 of 5', '5 of 5']);
});

test('what an endpoint does not take is left out of requests: schema, JSON mode, temperature', async () => {
  server.misbehave = ({ body }, response) => {
    const request = body as OpenAI.ChatCompletionCreateParamsNonStreaming;
    const refuse = (message: string) =>
      send(response, 400, { error: { message, type: 'invalid_request_error' } });
    if (request.temperature !== undefined)
      return refuse("Unsupported value: 'temperature' does not support 0 with this model.");
    if (request.response_format) return refuse("'response_format.type' must be 'text'");
    return false;
  };
  expect(await run(five(), { batchSize: 2 })).toMatchObject({ labelled: 5 });
  expect(Object.keys(server.received.at(-1)!.body as object)).toEqual(['model', 'messages']);
});

test('sentences of the same recording or session come with those before them; others do not', async () => {
  const file = manifest(
    'session.tsv',
    SENTENCES.map((text, i) => [`${i}.wav`, 'en', text, i < 3 ? 'talk' : `s${i}`]),
    'audio\tlang\ttext\tsession',
  );
  await run(file, { context: 2 });
  expect(askedOf(server.received[0]!.body).map(({ before = [] }) => before.length)).toEqual([0, 1, 2, 0, 0]);
  expect(sentencesOf(await readManifest(file), 'zh', 1)[2]!.before).toEqual([SENTENCES[1]]);
});

test('examples are shown as an exchange before the request', async () => {
  writeFileSync(path('examples.tsv'), 'text\ttext_zh\nGood morning.\t早上好。\n');
  await run(five(), { engine: chat({ examples: await readExamples(path('examples.tsv'), 'zh') }) });
  const { messages } = server.received[0]!.body as OpenAI.ChatCompletionCreateParamsNonStreaming;
  expect(messages.slice(1, 3)).toEqual([
    { role: 'user', content: '{"n":1,"text":"Good morning."}' },
    { role: 'assistant', content: '{"translations":[{"n":1,"text":"早上好。"}]}' },
  ]);
  await expect(readExamples(path('examples.tsv'), 'de')).rejects.toThrow(
    /found 0 sentences with their translation; expected 1 to 50, in the columns text and text_de$/,
  );
});

test('a placeholder of a prompt that means nothing is one line', async () => {
  writeFileSync(path('prompt.txt'), 'Translate {text} into {target}.');
  await expect(readPrompt(path('prompt.txt'))).rejects.toThrow(
    /found the placeholder \{text\}; expected \{source\} and \{target\}$/,
  );
});

test('a limit of cost or tokens ends the run before it is passed, with what there is written', async () => {
  const result = await run(five(), { batchSize: 1, budget: { maxTokens: 700 } });
  expect(result).toMatchObject({ stopped: true });
  // 160 tokens a request, as the service counts them.
  expect(result!.labelled).toBe(server.received.length);
  expect(result!.labelled).toBeGreaterThan(0);
  expect(result!.labelled + result!.unanswered).toBe(5);
  expect((await written()).filter(([text]) => text)).toHaveLength(result!.labelled);
  expect(await run(five(), { batchSize: 1 })).toMatchObject({ labelled: 5, stopped: false });
  expect(server.received).toHaveLength(5);
});

test('no requests at once pass a limit, though each answer takes more than was estimated', async () => {
  server.misbehave = ({ body }, response) => {
    const translations = askedOf(body).map(({ n, text }) => ({ n, text: WORDS[text] }));
    const usage = { prompt_tokens: 300, completion_tokens: 300 };
    setTimeout(
      () => send(response, 200, { ...completion('qwen3', JSON.stringify({ translations })), usage }),
      20,
    );
    return true;
  };
  const budget = new Budget({ priceIn: 0, priceOut: 0, maxTokens: 1300 });
  const result = await run(five(), { batchSize: 1, budget });
  expect(result).toMatchObject({ stopped: true, labelled: 2 });
  expect(budget.used).toEqual({ input: 600, output: 600 });
});

test('what got no answer counts for a limit, as it may be charged', async () => {
  let requests = 0;
  server.misbehave = (_, response) => {
    if (++requests === 1) return false;
    response.destroy();
    return true;
  };
  const budget = new Budget({ priceIn: 0, priceOut: 0, maxTokens: 700 });
  const result = await run(five(), { batchSize: 1, budget });
  expect(result).toMatchObject({ stopped: true, labelled: 1 });
  // 160 tokens for the one that was answered.
  expect(budget.used.input + budget.used.output).toBeGreaterThan(300);
  expect(budget.used.input + budget.used.output).toBeLessThanOrEqual(700);
  expect(requests).toBeLessThan(6);
});

test.each([
  { prompt_tokens: 1, completion_tokens: '1' },
  { prompt_tokens: -1e9, completion_tokens: 0 },
])('a limit holds where a service counts tokens as %j: they are estimated', async (usage) => {
  server.misbehave = ({ body }, response) => {
    const translations = askedOf(body).map(({ n, text }) => ({ n, text: WORDS[text] }));
    return send(response, 200, { ...completion('qwen3', JSON.stringify({ translations })), usage });
  };
  const result = await run(five(), { batchSize: 1, budget: { maxTokens: 700 } });
  expect(result).toMatchObject({ stopped: true });
  expect(server.received.length).toBeLessThan(5);
});

test('nothing is asked or written where the plan is not agreed to', async () => {
  rmSync(path('out.tsv'), { force: true });
  expect(await run(five(), { begin: async () => false })).toBeUndefined();
  expect(server.received).toEqual([]);
  expect(readdirSync(folder)).not.toContain('out.tsv');
});

test('requests that fail are reported and asked for in the next run; three in a row end it', async () => {
  const skipped: string[] = [];
  server.misbehave = ({ body }, response) =>
    askedOf(body)[0]!.text === 'We go home now.' &&
    send(response, 400, { error: { message: 'content_filter' } });
  expect(await run(five(), { batchSize: 1, skipped })).toMatchObject({ labelled: 4, unanswered: 1 });
  expect(skipped).toEqual([
    expect.stringMatching(/^a sentence from "We go home now\." on: .*HTTP 400: content_filter$/),
  ]);
  server.misbehave = undefined;
  server.received.length = 0;
  expect(await run(five())).toMatchObject({ labelled: 5 });
  expect(asked()).toEqual(['We go home now.']);
  cache++;
  server.misbehave = (_, response) => send(response, 400, { error: { message: 'broken' } });
  // One at a time: the server may hear of another after its test.
  await expect(run(five(), { batchSize: 1, concurrency: 1 })).rejects.toThrow(
    /^3 requests in a row failed, the last one: .*broken$/,
  );
});

test('LibreTranslate: languages by its own codes, texts as a list, and a pair that it lacks is one line', async () => {
  const engine = libreTranslateEngine(endpoint(''), 'zh', 'a-key');
  expect(await run(five(), { engine })).toMatchObject({ labelled: 5 });
  expect(server.received.map(({ path: where }) => where)).toEqual(['/languages', '/translate']);
  expect(server.received[1]!.body).toEqual({
    q: SENTENCES,
    source: 'en',
    target: 'zh-Hans',
    format: 'text',
    api_key: 'a-key',
  });
  expect((await written())[0]).toEqual(['他去散步。', 'libretranslate']);
  const french = manifest('fr.tsv', [['a.wav', 'fr', 'Il se promène.']]);
  await expect(run(french, { engine: libreTranslateEngine(endpoint(''), 'zh', '') })).rejects.toThrow(
    /found no translation from fr into zh; it has en, fr$/,
  );
  await expect(run(french, { engine: libreTranslateEngine(endpoint(''), 'sw', '') })).rejects.toThrow(
    /found no "sw" among its languages \(en, fr, zh-Hans\)/,
  );
});

test('DeepL: codes in capitals, texts as a list', async () => {
  expect(await run(five(), { engine: deeplEngine(endpoint(''), 'zh') })).toMatchObject({ labelled: 5 });
  const { path: where, body } = server.received[0]!;
  expect(where).toBe('/v2/translate');
  expect(body).toEqual({ text: SENTENCES, source_lang: 'EN', target_lang: 'ZH' });
});

test('a manifest without transcripts says what writes them', async () => {
  await expect(run(manifest('silent.tsv', [['a.wav', 'en', '']]))).rejects.toThrow(
    /silent\.tsv: found no transcript \("text"\) in its 1 rows; .*whisper-transfer transcribe/,
  );
});

/** @param kill after so many requests */
function command(args: readonly string[], kill?: number): Promise<{ code: number | null; text: string }> {
  const child = spawn(process.execPath, [CLI, 'pseudo-label', ...args], {
    cwd: folder,
    env: { ...process.env, OPENAI_API_KEY: 'sk-secret', MY_KEY: 'my-secret' },
  });
  let text = '';
  child.stdout.on('data', (piece) => (text += piece));
  child.stderr.on('data', (piece) => (text += piece));
  if (kill !== undefined) {
    server.misbehave = (_, __, number) => {
      if (number >= kill) child.kill('SIGKILL');
      return number >= kill;
    };
  }
  return new Promise((resolve) => child.on('close', (code) => resolve({ code, text })));
}

test('a run that is killed goes on without asking again', async () => {
  const texts = Array.from({ length: 60 }, (_, i) => `This is sentence ${100 + i} of them.`);
  server.misbehave = undefined;
  const file = manifest(
    'many.tsv',
    texts.map((text, i) => [`${i}.wav`, 'en', text]),
  );
  const args = [
    ...[
      file,
      '--to',
      'zh',
      '--url',
      `${server.url}/v1`,
      '--model',
      'qwen3',
      '--output',
      path('many-out.tsv'),
    ],
    ...[
      '--batch',
      '4',
      '--concurrency',
      '1',
      '--accept',
      'numbers,language,length',
      '--cache',
      path('killed'),
    ],
  ];
  await command(args, 6);
  const before = server.received
    .slice(0, 6)
    .flatMap((one: Received) => askedOf(one.body).map(({ text }) => text));
  expect(before).toHaveLength(24);
  server.misbehave = undefined;
  server.received.length = 0;
  const { code, text } = await command(args);
  expect(text).toContain('many-out.tsv: 60 of 60 rows got a translation by qwen3');
  expect(code).toBe(0);
  // What was answered and not yet kept when it was killed is one request at most.
  const again = asked().filter((one) => before.includes(one));
  expect(again.length).toBeLessThanOrEqual(4);
  expect(new Set([...before, ...asked()]).size).toBe(60);
});

test('a key goes where it is named for, and stands in no file and no message', async () => {
  const args = [
    ...[five(), '--to', 'zh', '--url', `${server.url}/v1`, '--model', 'qwen3', '--output', path('key.tsv')],
    ...['--cache', path('keys'), '--json'],
  ];
  await command(args);
  expect(server.received[0]!.headers.authorization).toBeUndefined();
  const { text } = await command([...args, '--key-env', 'MY_KEY', '--request', '{"seed": 1}']);
  expect(server.received[1]!.headers.authorization).toBe('Bearer my-secret');
  expect((server.received[1]!.body as { seed: number }).seed).toBe(1);
  const files = ['key.tsv', ...readdirSync(path('keys')).map((name) => join('keys', name))];
  for (const content of [text, ...files.map((name) => readFileSync(path(name), 'utf8'))])
    expect(content).not.toMatch(/secret/);
});

test('sentences are the same ones with other white space, and others in another language', () => {
  const of = (language: string, text: string) => ({
    ...{
      audio: 'a.wav',
      language,
      set: '',
      key: '',
      text,
      translations: {},
      duration: Number.NaN,
      other: {},
    },
  });
  const clips = [of('en', 'No.'), of('en', ' No. '), of('es', 'No.')];
  expect(eachOnce(sentencesOf(clips, 'zh', 0))).toHaveLength(2);
});

test("the official client sends the same request to the same server, and reads the server's answer", async () => {
  await run(five());
  const { default: Client } = await import('openai');
  const client = new Client({ baseURL: `${server.url}/v1`, apiKey: 'none' });
  const sent = server.received[0]!;
  const answer = await client.chat.completions.create(
    sent.body as OpenAI.ChatCompletionCreateParamsNonStreaming,
  );
  expect(server.received[1]).toMatchObject({ path: sent.path, body: sent.body });
  expect(JSON.parse(answer.choices[0]!.message.content!).translations).toHaveLength(5);
  expect(answer.usage!.total_tokens).toBe(160);
});

test('several endpoints share the requests; one that goes away is left out, with a line, and nothing is lost', async () => {
  const other = await startTranslationServer((text) => WORDS[text] ?? '');
  const notes: string[] = [];
  const both = () =>
    severalEngines(
      [
        { engine: chat(), name: server.url },
        { engine: chat({}, endpoint('/v1', other)), name: other.url },
      ],
      (note) => notes.push(note),
    );
  try {
    await run(five(), { batchSize: 1 });
    const alone = readFileSync(path('out.tsv'), 'utf8');
    server.received.length = 0;
    cache++;
    expect(await run(five(), { engine: both(), batchSize: 1 })).toMatchObject({ labelled: 5, unanswered: 0 });
    expect(readFileSync(path('out.tsv'), 'utf8')).toBe(alone);
    expect(Math.min(server.received.length, other.received.length)).toBeGreaterThanOrEqual(2);
    expect(notes).toEqual([]);
    // Answers are kept by the first: without the other nothing is asked again.
    server.received.length = 0;
    await run(five(), { batchSize: 1 });
    expect(server.received).toEqual([]);
    cache++;
    other.received.length = 0;
    other.misbehave = (_, response, number) => number > 0 && Boolean(response.destroy());
    expect(await run(five(), { engine: both(), batchSize: 1 })).toMatchObject({ labelled: 5, unanswered: 0 });
    expect(readFileSync(path('out.tsv'), 'utf8')).toBe(alone);
    expect(notes).toEqual([
      expect.stringMatching(/found no whole answer \(.+\); .+; the other endpoints go on without it$/),
    ]);
    cache++;
    server.misbehave = (_, response) => Boolean(response.destroy());
    await expect(run(five(), { engine: both(), batchSize: 1, concurrency: 1 })).rejects.toThrow(
      'found no whole answer',
    );
  } finally {
    await other.close();
  }
});
