/** The cache that a recipe names. */
import { byteSize } from '../features/byte-size.ts';
import type { CacheOptions } from '../features/encoder-outputs.ts';
import type { Recipe } from './recipe.ts';

export function cacheOf({ cache, cacheDtype, cacheLimit }: Recipe['data']): CacheOptions {
  return {
    cache: cache === 'off' ? undefined : cache,
    cacheDtype,
    cacheLimit: cacheLimit === undefined ? undefined : byteSize(cacheLimit),
  };
}
