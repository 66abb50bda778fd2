/** Suppression of tokens, always or at the beginning, as the generation config lists them. */
import { MASKED } from '../graph/ops.ts';
import type { WhisperModel } from '../whisper/model.ts';
import type { DecodingOptions } from './decoding.ts';
import type { Suppression } from './session.ts';

/**
 * @param ids output tokens, whose indices are suppressed
 * @param options `separators` may be written, whatever the config says
 */
export function suppression(
  model: WhisperModel,
  ids: Int32Array,
  { withTimestamps, separators = [] }: Pick<DecodingOptions, 'withTimestamps' | 'separators'>,
): { suppressed: Suppression; suppressedAtBegin: Suppression } {
  const { generationConfig } = model.settings;
  const listed = (key: string): Set<number> =>
    new Set(Array.isArray(generationConfig[key]) ? (generationConfig[key] as number[]) : []);
  const never = listed('suppress_tokens');
  if (withTimestamps) never.add(model.tokens.noTimestamps);
  // Rows that pad the embedding have no token.
  for (const id of ids) if (!model.tokens.isKnown(id)) never.add(id);
  for (const id of separators) never.delete(id);
  const notAtBegin = listed('begin_suppress_tokens');
  const of = (isSuppressed: (id: number) => boolean): Suppression => ({
    bias: Float32Array.from(ids, (id) => (isSuppressed(id) ? MASKED : 0)),
    places: [...ids.keys()].filter((place) => isSuppressed(ids[place]!)),
  });
  return {
    suppressed: of((id) => never.has(id)),
    suppressedAtBegin: of((id) => never.has(id) || notAtBegin.has(id)),
  };
}
