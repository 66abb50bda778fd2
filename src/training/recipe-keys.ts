/** The recipe's schema as plain JSON Schema, for flags, help and messages that walk over keys and allowed values. */
import { z } from 'zod';
import { isHubName } from '../hub/names.ts';
import { recipeSchema } from './recipe.ts';

/** Subset of JSON Schema that the recipe uses. */
export interface SchemaNode {
  readonly type?: 'object' | 'array' | 'string' | 'number' | 'integer' | 'boolean';
  readonly description?: string;
  readonly default?: unknown;
  readonly format?: string;
  readonly enum?: readonly unknown[];
  readonly const?: unknown;
  readonly anyOf?: readonly SchemaNode[];
  readonly properties?: Readonly<Record<string, SchemaNode>>;
  readonly additionalProperties?: SchemaNode | false;
  readonly items?: SchemaNode;
  readonly prefixItems?: readonly SchemaNode[];
  readonly minItems?: number;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly exclusiveMinimum?: number;
  readonly exclusiveMaximum?: number;
}

/** A recipe file may be partial and name the recipe that it extends. */
const fileSchema = recipeSchema.extend({
  extends: z
    .string()
    .optional()
    .describe('recipe that this one extends: missing keys are inherited, null removes a key'),
});

/** JSON Schema of recipe files, for editors. */
export const recipeJsonSchema = {
  ...z.toJSONSchema(fileSchema, { io: 'input' }),
  title: 'whisper-transfer recipe',
};

export const recipeNode = z.toJSONSchema(recipeSchema, { io: 'input' }) as SchemaNode;

export type Path = readonly (string | number)[];

/** Schema at a path; undefined where none is allowed. */
export function nodeAt(path: Path, node: SchemaNode | undefined = recipeNode): SchemaNode | undefined {
  const [key, ...rest] = path;
  if (key === undefined || node === undefined) return node;
  return nodeAt(rest, childNode(node, key));
}

function childNode(node: SchemaNode, key: string | number): SchemaNode | undefined {
  if (typeof key === 'number') return node.prefixItems?.[key] ?? node.items;
  if (node.properties && Object.hasOwn(node.properties, key)) return node.properties[key];
  return node.additionalProperties || undefined;
}

/** Paths of all values, without those in lists: "optimizer.steps". */
export function recipeKeys(node: SchemaNode = recipeNode, above = ''): { path: string; node: SchemaNode }[] {
  return Object.entries(node.properties ?? {}).flatMap(([key, child]) =>
    child.properties ? recipeKeys(child, `${above}${key}.`) : [{ path: `${above}${key}`, node: child }],
  );
}

/** Formats of paths that may be names of the hub. */
const NAMED = ['model', 'dataset'];

export const isPath = (node: SchemaNode | undefined): boolean =>
  ['path', ...NAMED].includes(node?.format ?? '') || Boolean(node?.anyOf?.some(isPath));

/** Whether a value that may be a path is a word with a meaning of its own, such as `off`. */
const isWord = (node: SchemaNode, value: string): boolean =>
  Boolean(node.anyOf?.some((one) => one.const === value));

/** All values of a recipe, or of a part of one, with their paths. */
export function* leaves(value: unknown, path: Path = []): Generator<{ path: Path; value: unknown }> {
  if (typeof value !== 'object' || value === null) yield { path, value };
  else if (Array.isArray(value)) for (const [i, one] of value.entries()) yield* leaves(one, [...path, i]);
  else for (const [key, one] of Object.entries(value)) yield* leaves(one, [...path, key]);
}

/** Whether a value that may be a path is a name instead: of a model or data set of the hub, where no folder has it. */
export const isName = (node: SchemaNode | undefined, value: string, path = value): boolean =>
  NAMED.includes(node?.format ?? '') && isHubName(value, path);

/** The same with other values in it. */
export function mapLeaves<T>(value: T, change: (value: unknown, path: Path) => unknown, path: Path = []): T {
  const inside = (key: string | number, one: unknown): unknown => mapLeaves(one, change, [...path, key]);
  if (typeof value !== 'object' || value === null) return change(value, path) as T;
  if (Array.isArray(value)) return value.map((one, i) => inside(i, one)) as T;
  return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, inside(key, one)])) as T;
}

/** The same with other file paths in it. */
export function mapPaths(value: unknown, change: (path: string) => string, node?: SchemaNode): unknown {
  const at = node ?? recipeNode;
  if (typeof value === 'string') {
    if (!isPath(at) || isWord(at, value)) return value;
    const path = change(value);
    return isName(at, value, path) ? value : path;
  }
  if (typeof value !== 'object' || value === null) return value;
  const changed = (key: string | number, one: unknown): unknown => {
    const child = childNode(at, key);
    return child ? mapPaths(one, change, child) : one;
  };
  if (Array.isArray(value)) return value.map((one, i) => changed(i, one));
  return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, changed(key, one)]));
}

/** Allowed values, in words. */
export function allowed(node: SchemaNode): string {
  if (node.anyOf) return node.anyOf.map(allowed).join(' or ');
  if (node.const !== undefined) return JSON.stringify(node.const);
  if (node.enum) return `one of ${node.enum.join(', ')}`;
  switch (node.type) {
    case 'integer':
      return node.minimum === node.maximum ? `${node.minimum}` : `a whole number${range(node)}`;
    case 'number':
      return `a number${range(node)}`;
    case 'boolean':
      return 'true or false';
    case 'array':
      if (node.prefixItems) return `a list of ${node.prefixItems.map(allowed).join(' and ')}`;
      return `a list, each ${allowed(node.items!)}`;
    case 'object':
      if (node.properties) return `an object with keys among ${Object.keys(node.properties).join(', ')}`;
      return `an object, each value ${allowed(node.additionalProperties as SchemaNode)}`;
    default:
      if (node.format === 'model') return 'a folder, or a model of the hub';
      if (node.format === 'dataset') return 'a path, or a data set of the hub';
      return node.format === 'path' ? 'a path' : 'text';
  }
}

function range({ minimum, maximum, exclusiveMinimum, exclusiveMaximum }: SchemaNode): string {
  const parts = [
    minimum === undefined || Math.abs(minimum) === Number.MAX_SAFE_INTEGER ? '' : ` from ${minimum}`,
    exclusiveMinimum === undefined ? '' : ` above ${exclusiveMinimum}`,
    maximum === undefined || maximum === Number.MAX_SAFE_INTEGER ? '' : ` to ${maximum}`,
    exclusiveMaximum === undefined ? '' : ` below ${exclusiveMaximum}`,
  ];
  return parts.join('');
}
