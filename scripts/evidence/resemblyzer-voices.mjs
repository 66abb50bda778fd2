import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const script = fileURLToPath(new URL('resemblyzer_voices.py', import.meta.url));

/**
 * Embeddings of clips by Resemblyzer, [256] each, of length 1.
 * @param python interpreter that has what resemblyzer_voices.py names
 * @param clips 16 kHz samples
 */
export function resemblyzer(python, clips) {
  const parts = clips.flatMap((clip) => [Int32Array.of(clip.length), clip]);
  const input = Buffer.concat(parts.map(({ buffer, byteOffset, byteLength }) => Buffer.from(buffer, byteOffset, byteLength)));
  const { status, stdout } = spawnSync(python, [script], { input, stdio: ['pipe', 'pipe', 'inherit'], maxBuffer: 2 ** 30 });
  if (status !== 0) throw new Error(`${python} ${script} ended with ${status}`);
  const width = stdout.length / 4 / clips.length;
  return clips.map((_, i) => new Float32Array(stdout.buffer.slice(stdout.byteOffset + 4 * i * width, stdout.byteOffset + 4 * (i + 1) * width)));
}
