/** Files that decoding options name: they have other paths on other machines, and are part of what a shard depends on. */
import type { DecodingChoice } from '../decoding/decoding-choice.ts';

type Choice = Pick<DecodingChoice, 'targetVocabulary' | 'languageModel'>;

/** The options with the paths of their files as `path` gives them. */
export function withPaths<T extends Choice>(choice: T, path: (file: string) => string): T {
  const { targetVocabulary, languageModel } = choice;
  return {
    ...choice,
    ...(typeof targetVocabulary === 'string' && { targetVocabulary: path(targetVocabulary) }),
    ...(typeof languageModel?.model === 'string' && {
      languageModel: { ...languageModel, model: path(languageModel.model) },
    }),
  };
}

export const filesOf = ({ targetVocabulary, languageModel }: Choice): string[] =>
  [targetVocabulary, languageModel?.model].filter((file) => typeof file === 'string');
