/** Flags of `train`, one for each value of a recipe, generated from the schema, and their help. */

import { type Command, Option } from 'commander';
import { largest } from '../extremes.ts';
import { defaultLora } from '../training/choices.ts';
import { withCurrentNames } from '../training/former-names.ts';
import { DATASET_KEYS } from '../training/recipe.ts';
import { type Layer, mergeLayers, valueAt } from '../training/recipe-file.ts';
import { allowed, type Path, recipeKeys, recipeNode, type SchemaNode } from '../training/recipe-keys.ts';
import { addRenamed } from './options.ts';

/** Short flags of values, beside their paths. */
const SHORT: Readonly<Record<string, string>> = {
  target: '--to',
  prompt: '--prompt-kind',
  'targetToken.as': '--token-of',
  'targetToken.mean': '--new-token-from',
  'data.window': '--window',
  'data.cache': '--cache',
  'data.cacheDtype': '--cache-dtype',
  'data.cacheLimit': '--cache-limit',
  'tune.part': '--tune',
  'tune.embedding': '--embedding',
  'tune.lora.rank': '--lora',
  'tune.lora.alpha': '--lora-alpha',
  'tune.lora.projections': '--lora-projections',
  'optimizer.steps': '--steps',
  'optimizer.batchSize': '--batch-size',
  'optimizer.accumulate': '--accumulate',
  'optimizer.learningRate': '--learning-rate',
  'optimizer.warmup': '--warmup',
  'optimizer.seed': '--seed',
  'dev.set': '--dev-set',
  'dev.languages': '--dev-languages',
  'dev.every': '--dev-every',
  'dev.clips': '--dev-clips',
  'dev.patience': '--patience',
  'dev.keep': '--keep',
  targetVocabulary: '--target-vocabulary',
  checkpointEvery: '--checkpoint-every',
};

/** Flags that set a value in each corpus, by its key there. */
const OF_CORPORA: Readonly<Record<string, string>> = {
  set: '--set',
  language: '--from',
  ...Object.fromEntries(DATASET_KEYS.map((key) => [key, flagOfKey(key)])),
};

/** onePerSentence is --one-per-sentence. */
function flagOfKey(key: string): string {
  return `--${key.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
}

/** The name of a flag's value, as commander has it. */
const attributeOf = (flag: string): string =>
  flag.slice(2).replace(/-(.)/g, (_, letter: string) => letter.toUpperCase());

/** Values that the list of options shows, too: every run needs them. */
const SHOWN = ['target', 'output'];

/** Values of flags that may be given without one. */
const BARE: Readonly<Record<string, unknown>> = {
  'tune.lora.rank': defaultLora.rank,
  targetVocabulary: true,
};

const keys = recipeKeys().filter(({ path }) => path !== '$schema');

const longFlag = (path: string): string => `--${path}`;

/** The flag that sets the value at a path. */
export const flagOf = (path: Path): string => SHORT[path.join('.')] ?? longFlag(path.join('.'));

/** Adds the flags; `recipeHelp` describes most of them, not the list of options. */
export function addRecipeFlags(command: Command): Command {
  for (const { path, node } of keys) {
    const short = SHORT[path];
    const bare = path in BARE;
    const flag = short ?? longFlag(path);
    const option = new Option(`${flag} ${bare ? '[value]' : '<value>'}`, node.description);
    option.hideHelp(!SHOWN.includes(path)).argParser((text: string) => flagValue(text, node));
    option.attributeName = () => path;
    if (bare) option.preset(String(BARE[path]));
    addRenamed(command, option, ...(short ? [longFlag(path)] : []));
  }
  command.option('--set <name>', 'use only this set of the manifest (of all manifests)');
  return addRenamed(command, new Option('--from <code>', 'use only clips in this language'), '--language');
}

/** The recipe layer of the flags. @param below the layers that they change: `--set`, `--from` and how data sets are read apply to each corpus */
export function flagLayer(flags: Readonly<Record<string, unknown>>, below: readonly Layer[]): Layer {
  const given = keys.filter(({ path }) => path in flags);
  let values: unknown = {};
  for (const { path } of given) values = withValue(values, path.split('.'), flags[path]);
  values = withCurrentNames(values as Record<string, unknown>);
  const { dataset } = flags;
  const corpora =
    dataset === undefined
      ? valueAt(mergeLayers([...below, { values, label: () => undefined }]), ['data', 'corpora'])
      : [{ dataset }];
  const ofCorpora = Object.entries(OF_CORPORA).flatMap(([key, flag]) => {
    const value = flags[attributeOf(flag)];
    return value === undefined ? [] : [[key, value] as const];
  });
  if ((ofCorpora.length > 0 || dataset !== undefined) && Array.isArray(corpora)) {
    const changed = corpora.map((corpus) => ({ ...corpus, ...Object.fromEntries(ofCorpora) }));
    values = withValue(values, ['data', 'corpora'], changed);
  }
  return {
    values,
    label: (path) => {
      const text = path.join('.');
      const key = String(path.at(-1));
      if (text.startsWith('data.corpora.') && ofCorpora.some(([name]) => name === key))
        return OF_CORPORA[key];
      if (dataset !== undefined && text.startsWith('data.corpora.')) return '--dataset';
      const flag = given.find((one) => text === one.path || text.startsWith(`${one.path}.`));
      return flag && flagOf(flag.path.split('.'));
    },
  };
}

function withValue(values: unknown, [key, ...rest]: readonly string[], value: unknown): unknown {
  if (key === undefined) return value;
  const object = values as Record<string, unknown> | undefined;
  return { ...object, [key]: withValue(object?.[key], rest, value) };
}

/** Parses a flag: JSON where the value is not a text; lists may also be comma-separated. Other input stays a text. */
function flagValue(text: string, node: SchemaNode): unknown {
  if (node.type === 'array' && !text.startsWith('[')) {
    const item = node.items ?? node.prefixItems![0]!;
    return text.split(',').map((part) => flagValue(part.trim(), item));
  }
  if (node.type === 'string') return text;
  if (node.anyOf) return text === 'true' ? true : text;
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

/** All keys of a recipe in groups, at most `width` columns wide. */
export function recipeHelp(width = 100): string {
  const column = largest(keys, ({ path }) => path.length) + 4;
  const lines = wrapped(
    'A recipe is a JSON file of these keys: "optimizer": {"steps": 300}. Each is also a flag, which overrides the recipe: ' +
      '--optimizer.steps 300, --objective.labelSmoothing 0.1; lists with commas, objects as JSON. ' +
      '"extends": "other.json" inherits the other keys from another recipe; null removes an inherited key.',
    width,
  );
  let group: string | undefined;
  for (const { path, node } of keys) {
    const section = path.includes('.') ? path.slice(0, path.indexOf('.')) : '';
    if (section !== group) lines.push('');
    group = section;
    const notes = [
      node.description ?? '',
      allowed(node),
      ...(node.default === undefined ? [] : [`default: ${[node.default].flat().join(',')}`]),
      ...(requiredKey(path) ? ['required'] : []),
      ...(SHORT[path] ? [`also ${SHORT[path]}`] : []),
    ];
    const [first, ...more] = wrapped(notes.join('; '), width - column);
    lines.push(`  ${path.padEnd(column - 2)}${first}`);
    for (const line of more) lines.push(' '.repeat(column) + line);
  }
  return lines.join('\n');
}

function requiredKey(path: string): boolean {
  const { required } = recipeNode as { required?: readonly string[] };
  return path === 'data.corpora' || Boolean(required?.includes(path));
}

function wrapped(text: string, width: number): string[] {
  const lines = [''];
  for (const word of text.split(' ')) {
    const line = lines.at(-1)!;
    if (line === '') lines[lines.length - 1] = word;
    else if (line.length + 1 + word.length <= width) lines[lines.length - 1] = `${line} ${word}`;
    else lines.push(word);
  }
  return lines;
}
