/** Sizes as a user writes them: 40GB, 500 MB, 1.5TB. */

const UNITS = ['b', 'kb', 'mb', 'gb', 'tb'];
/** A number and a unit, of powers of 1000. */
export const BYTE_SIZE = /^(\d+(?:\.\d+)?)\s*([kmgt]?b)$/i;

/** Bytes; undefined where the text is no size above 0. */
export function byteSize(text: string): number | undefined {
  const [, number, unit] = BYTE_SIZE.exec(text.trim()) ?? [];
  if (number === undefined || unit === undefined) return undefined;
  const bytes = Number(number) * 1000 ** UNITS.indexOf(unit.toLowerCase());
  return bytes > 0 ? bytes : undefined;
}
