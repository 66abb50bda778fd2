// Recordings of one voice joined, without the silence at their ends.

/** @param {Float32Array} samples */
export function trimmed(samples) {
  const quiet = 0.03 * samples.reduce((peak, value) => Math.max(peak, Math.abs(value)), 0);
  let [start, end] = [0, samples.length];
  while (start < end && Math.abs(samples[start]) < quiet) start++;
  while (end > start && Math.abs(samples[end - 1]) < quiet) end--;
  return samples.slice(Math.max(0, start - 800), Math.min(samples.length, end + 800));
}

/**
 * @param {readonly string[]} files
 * @param {number} seconds at least, where there are so many
 * @param {(file: string) => Promise<Float32Array>} read
 */
export async function soundOf(files, seconds, read) {
  const parts = [];
  let length = 0;
  for (const file of files) {
    if (length >= seconds * 16_000) break;
    const part = trimmed(await read(file));
    parts.push(part);
    length += part.length;
  }
  const sound = new Float32Array(length);
  let at = 0;
  for (const part of parts) {
    sound.set(part, at);
    at += part.length;
  }
  return sound;
}
