/**
 * Whatever an endpoint answers, an answer is a text for each sentence, or one line that says what is wrong. `npm run
 * fuzz:pseudo-label` does it ten thousand times.
 */
import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { UserError } from '../errors.ts';
import { loadIdentifier } from '../language/identify.ts';
import { withoutControls } from '../report/escape.ts';
import { completion, startTranslationServer, type TranslationServer } from '../testing/translation-server.ts';
import { chatEngine } from './chat.ts';
import { FAULT_NAMES } from './check-answer.ts';
import { deeplEngine } from './deepl.ts';
import { Endpoint, RequestFailed } from './endpoint.ts';
import { libreTranslateEngine } from './libretranslate.ts';
import { textsOf } from './prompt.ts';
import { judge } from './translate-sentences.ts';

const numRuns = Number(process.env.FUZZ_RUNS ?? 100);
let server: TranslationServer;
beforeAll(async () => {
  server = await startTranslationServer((text) => text);
  await loadIdentifier('zh');
});
afterAll(() => server.close());

const SENTENCES = ['One, 12.', 'Two “of” them.', '三'].map((text) => ({ language: 'en', text, before: [] }));

/** Answers near the true ones: JSON of the right names with anything in it, and bytes of it cut or changed. */
const content = fc.oneof(
  fc.string({ unit: 'binary' }),
  fc.json(),
  fc
    .array(
      fc.record({
        n: fc.oneof(fc.integer({ min: -1, max: 5 }), fc.jsonValue()),
        text: fc.oneof(fc.string(), fc.jsonValue()),
      }),
    )
    .map((translations) => JSON.stringify({ translations })),
);
const body = fc.oneof(
  fc.uint8Array({ maxLength: 300 }),
  content.map((text) => Buffer.from(text)),
  content.map((text) => Buffer.from(JSON.stringify(completion('m', text)))),
  fc.jsonValue().map((choices) => Buffer.from(JSON.stringify({ choices }))),
  fc.jsonValue().map((message) => Buffer.from(JSON.stringify({ choices: [{ message }], usage: message }))),
  fc.jsonValue().map((error) => Buffer.from(JSON.stringify({ error }))),
  fc.jsonValue().map((texts) => Buffer.from(JSON.stringify({ translatedText: texts, translations: texts }))),
);

test('texts of an answer are as many as the sentences, or none, and are judged', () => {
  fc.assert(
    fc.property(content, fc.integer({ min: 1, max: 4 }), (text, count) => {
      const texts = textsOf(text, count);
      if (texts === undefined) return true;
      for (const one of texts) {
        const judged = judge(SENTENCES[0]!, [one], 'zh')!;
        if (judged.fault !== undefined && !FAULT_NAMES.includes(judged.fault)) return false;
      }
      return texts.length === count && texts.every((one) => typeof one === 'string');
    }),
    { numRuns: 10 * numRuns },
  );
});

test('any body with any status is read, or is one line', async () => {
  const status = fc.constantFrom(200, 200, 200, 200, 204, 301, 400, 401, 404, 422, 456);
  await fc.assert(
    fc.asyncProperty(body, status, fc.nat(2), async (bytes, code, which) => {
      server.misbehave = (_, response) => {
        response.writeHead(code, { 'content-type': 'application/json', location: '/elsewhere' });
        response.end(code === 204 ? undefined : bytes);
        return true;
      };
      const endpoint = new Endpoint({ url: server.url, timeoutMs: 2000, firstWaitMs: 0 });
      const engine = [
        () => chatEngine(endpoint, { model: 'm', target: 'zh', prompt: 'p', examples: [], fields: {} }),
        () => libreTranslateEngine(endpoint, 'zh', ''),
        () => deeplEngine(endpoint, 'zh'),
      ][which]!();
      const found = await engine
        .translate(SENTENCES, { tokens: 0, signal: undefined })
        .catch((error: Error) => error);
      if (!(found instanceof Error)) {
        expect(found.texts === undefined || found.texts.length === SENTENCES.length).toBe(true);
        return;
      }
      expect(found instanceof UserError || found instanceof RequestFailed, String(found.stack)).toBe(true);
      expect(withoutControls(found.message).split(/\s/).join(' ')).toBe(found.message);
      expect(found.message.length).toBeLessThan(500);
    }),
    { numRuns },
  );
});
