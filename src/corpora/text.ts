/** Values of tables as texts. */
import { UserError } from '../errors.ts';

/** A cell as text; '' where there is none. Bytes are UTF-8; lists and structs, which are no text, undefined. */
export function textOf(value: unknown): string | undefined {
  if (value === null || value === undefined) return '';
  if (typeof value === 'string') return value;
  if (typeof value === 'number' || typeof value === 'bigint' || typeof value === 'boolean')
    return String(value);
  if (value instanceof Uint8Array) return new TextDecoder().decode(value);
  if (value instanceof Date) return value.toISOString();
  return undefined;
}

/** An object of JSON, or a struct of a table. */
export type Json = Readonly<Record<string, unknown>>;

export const isObject = (value: unknown): value is Json =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** A value in a struct: `translation.de`. A column whose own name has the dots comes first. */
export function valueAt(row: Readonly<Record<string, unknown>>, path: string): unknown {
  if (Object.hasOwn(row, path)) return row[path];
  let value: unknown = row;
  for (const name of path.split('.')) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, name)) return undefined;
    value = (value as Record<string, unknown>)[name];
  }
  return value;
}

/** @throws UserError where columns are missing, with those that there are */
export function checkColumns(where: string, has: readonly string[], needed: readonly string[]): void {
  const missing = needed.find((name) => !has.includes(name));
  if (missing === undefined) return;
  const shown = has.slice(0, 20).join(', ');
  throw new UserError(
    `${where}: found no column "${missing}"; expected ${needed.join(', ')} in the header${shown && `, which has ${shown}`}`,
  );
}
