/** Compression ratio of text, which is high for text that repeats itself. */
import { deflateSync } from 'node:zlib';

/** Above this ratio Whisper rejects a segment (Radford et al. 2022, section 4.5): it mostly repeats itself. */
export const MAX_COMPRESSION_RATIO = 2.4;

/** UTF-8 bytes of the text over its bytes after zlib. */
export function compressionRatio(text: string): number {
  const bytes = Buffer.from(text);
  return bytes.length / deflateSync(bytes).length;
}
