/** Suppression of tokens, always or at the beginning, as the generation config lists them. */
import { MASKED } from '../graph/ops.ts';
import type { WhisperModel } from '../whisper/model.ts';
import type { DecodingOptions } from './decoding.ts';
import type { Suppression } from './session.ts';

/**
 * @param ids output tokens, whose indices are suppressed
 * @param options `separator` may be written, whatever the config says
 */
export function suppression(
  model: WhisperModel,
  ids: Int32Array,
  { withTimestamps, separator }: Pick<DecodingOptions, 'withTimestamps' | 'separator'>,
): { suppressed: Suppression; suppressedAtBegin: Suppression } {
  const { generationConfig } = model.settings;
  const listed = (key: string): Set<number> =>
    new Set(Array.isArray(generationConfig[key]) ? (generationConfig[key] as number[]) : []);
  const never = listed('suppress_tokens');
  if (withTimestamps) never.add(model.tokens.noTimestamps);
  // Rows that pad the embedding have no token.
  for (const id of ids) if (!model.tokens.isKnown(id)) never.add(id);
  if (separator !== undefined) never.delete(separator);
  const notAtBegin = listed('begin_suppress_tokens');
  // In loops: it is done for each batch, over all of the vocabulary.
  const of = (some: ReadonlySet<number>): Suppression => {
    const bias = new Float32Array(ids.length);
    const places: number[] = [];
    for (let place = 0; place < ids.length; place++) {
      const id = ids[place]!;
      if (!some.has(id)) continue;
      bias[place] = MASKED;
      places.push(place);
    }
    return { bias, places };
  };
  return { suppressed: of(never), suppressedAtBegin: of(new Set([...never, ...notAtBegin])) };
}
