/** DeepL's API, and those like it: `POST /v2/translate` with a list of texts. */
import { fingerprint } from '../files/fingerprint.ts';
import { languageProfile } from '../language/profile.ts';
import { type Endpoint, RequestFailed } from './endpoint.ts';
import type { TranslationEngine } from './engine.ts';

/** ISO 639 in capitals; Whisper's `no` is Bokmål. */
const codeOf = (language: string): string => {
  const { code } = languageProfile(language);
  return code === 'no' ? 'NB' : code.toUpperCase();
};

export function deeplEngine(endpoint: Endpoint, target: string): TranslationEngine {
  return {
    name: 'deepl',
    unit: 'characters',
    identity: fingerprint(JSON.stringify(['deepl 1', endpoint.name, target]), 32),
    translate: async (sentences, { fault: _, ...options }) => {
      const { language } = sentences[0]!;
      const body = {
        text: sentences.map(({ text }) => text),
        // Regions and scripts are of targets only.
        ...(language !== '' && { source_lang: codeOf(language).split('-')[0] }),
        target_lang: codeOf(target),
      };
      const answer = (await endpoint.ask('/v2/translate', body, options)) as {
        translations?: readonly { readonly text?: unknown }[];
      };
      const texts = Array.isArray(answer?.translations) ? answer.translations.map((one) => one?.text) : [];
      if (texts.some((text) => typeof text !== 'string') || texts.length === 0) {
        throw new RequestFailed(
          `${endpoint.name}/v2/translate: found no "translations"; expected DeepL's answer`,
        );
      }
      return {
        texts: texts.length === sentences.length ? (texts as string[]) : undefined,
        usage: undefined,
      };
    },
  };
}
