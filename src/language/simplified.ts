import { createRequire } from 'node:module';
import type { ConverterFunction } from 'opencc-js';

let convert: ConverterFunction | undefined;

/**
 * Traditional to Simplified Chinese as OpenCC's `t2s` (opencc-js): characters and phrases, no regional vocabulary.
 * Whisper writes both scripts, so both sides of a comparison pass through this. The dictionary is loaded at the
 * first call (about 20 ms), not when the command line starts.
 */
export function toSimplified(text: string): string {
  convert ??= (createRequire(import.meta.url)('opencc-js/t2cn') as typeof import('opencc-js')).Converter({
    from: 't',
    to: 'cn',
  });
  return convert(text);
}
