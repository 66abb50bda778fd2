/** LibreTranslate's API: `POST /translate` with a list of texts. */
import { UserError } from '../errors.ts';
import { fingerprint } from '../files/fingerprint.ts';
import { languageProfile, sameLanguage } from '../language/profile.ts';
import { type Endpoint, RequestFailed } from './endpoint.ts';
import type { TranslationEngine } from './engine.ts';

interface Language {
  readonly code: string;
  readonly targets?: readonly string[];
}

/** @param key LibreTranslate takes it in the body; '': none */
export function libreTranslateEngine(endpoint: Endpoint, target: string, key: string): TranslationEngine {
  /** Codes of the service by ours. */
  const codes = new Map<string, string>([['', 'auto']]);

  /** The service's code of a language: zh-Hans or zh, pt or pt-BR, nb for no. */
  function codeAmong(languages: readonly string[], language: string): string | undefined {
    const { code, script } = languageProfile(language);
    const near = languages.filter((one) => sameLanguage(one, language));
    return (
      near.find((one) => languageProfile(one).code === code) ??
      near.find((one) => languageProfile(one).script === script) ??
      near[0]
    );
  }

  return {
    name: 'libretranslate',
    unit: 'characters',
    identity: fingerprint(JSON.stringify(['libretranslate 1', endpoint.name, target]), 32),
    prepare: async (languages, signal) => {
      const answer = await endpoint.ask('/languages', undefined, { signal });
      const isList = Array.isArray(answer) && answer.every((one) => typeof one?.code === 'string');
      if (!isList)
        throw new UserError(
          `${endpoint.name}/languages: found no list of languages; expected LibreTranslate`,
        );
      const known = answer as readonly Language[];
      for (const language of [target, ...languages]) {
        if (language === '') continue;
        const found = codeAmong(
          known.map(({ code }) => code),
          language,
        );
        if (found === undefined) {
          throw new UserError(
            `${endpoint.name}: found no "${language}" among its languages (${known.map(({ code }) => code).join(', ')}); ` +
              'expected one that it has',
          );
        }
        codes.set(language, found);
      }
      for (const language of languages) {
        const targets = known.find(({ code }) => code === codes.get(language))?.targets;
        if (targets && !targets.includes(codes.get(target)!)) {
          throw new UserError(
            `${endpoint.name}: found no translation from ${language} into ${target}; it has ${targets.join(', ')}`,
          );
        }
      }
    },
    translate: async (sentences, { fault: _, ...options }) => {
      const body = {
        q: sentences.map(({ text }) => text),
        source: codes.get(sentences[0]!.language) ?? sentences[0]!.language,
        target: codes.get(target) ?? target,
        format: 'text',
        ...(key !== '' && { api_key: key }),
      };
      const answer = (await endpoint.ask('/translate', body, options)) as {
        translatedText?: unknown;
      };
      const texts = answer?.translatedText;
      if (!Array.isArray(texts) || texts.some((text) => typeof text !== 'string')) {
        throw new RequestFailed(
          `${endpoint.name}/translate: found no list "translatedText"; expected LibreTranslate's answer`,
        );
      }
      return {
        texts: texts.length === sentences.length ? (texts as string[]) : undefined,
        usage: undefined,
      };
    },
  };
}
