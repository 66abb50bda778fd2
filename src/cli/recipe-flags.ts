/** Flags of `train`: one for each value of a recipe, made from the schema, and what the help says about them. */
import { type Command, Option } from 'commander';
import { defaultLora } from '../training/lora.ts';
import { type Layer, mergeLayers, valueAt } from '../training/recipe-file.ts';
import { allowed, type Node, type Path, recipeKeys, recipeNode } from '../training/recipe-keys.ts';
import { withCurrentNames } from '../training/recipe-renames.ts';
import { addRenamed } from './options.ts';

/** Flags by which a value is known beside its path. */
const SHORT: Readonly<Record<string, string>> = {
  target: '--to',
  prompt: '--prompt-kind',
  'targetToken.as': '--token-of',
  'targetToken.mean': '--new-token-from',
  'data.window': '--window',
  'data.cache': '--cache',
  'tune.part': '--tune',
  'tune.embedding': '--embedding',
  'tune.lora.rank': '--lora',
  'tune.lora.alpha': '--lora-alpha',
  'tune.lora.projections': '--lora-projections',
  'optimizer.steps': '--steps',
  'optimizer.batchSize': '--batch-size',
  'optimizer.learningRate': '--learning-rate',
  'optimizer.warmup': '--warmup',
  'optimizer.seed': '--seed',
  'dev.set': '--dev-set',
  'dev.every': '--dev-every',
  'dev.clips': '--dev-clips',
  'dev.patience': '--patience',
  'dev.keep': '--keep',
  targetVocabulary: '--target-vocabulary',
  checkpointEvery: '--checkpoint-every',
};

/** In the list of options, too: what every run says. */
const SHOWN = ['target', 'output'];

/** Values of flags that may stand without one. */
const BARE: Readonly<Record<string, unknown>> = {
  'tune.lora.rank': defaultLora.rank,
  targetVocabulary: true,
};

const keys = recipeKeys().filter(({ path }) => path !== '$schema');

const longFlag = (path: string): string => `--${path}`;

/** The flag that sets the value at a path, or what is around it. */
export const flagOf = (path: Path): string => SHORT[path.join('.')] ?? longFlag(path.join('.'));

/** Most are told by `recipeHelp`, not in the list of options. */
export function addRecipeFlags(command: Command): Command {
  for (const { path, node } of keys) {
    const names = SHORT[path] ? `${SHORT[path]}, ${longFlag(path)}` : longFlag(path);
    const bare = path in BARE;
    const option = new Option(`${names} ${bare ? '[value]' : '<value>'}`, node.description);
    option.hideHelp(!SHOWN.includes(path)).argParser((text: string) => flagValue(text, node));
    command.addOption(bare ? option.preset(String(BARE[path])) : option);
  }
  command.option('--set <name>', 'use only this set of the manifest (of all manifests)');
  return addRenamed(command, new Option('--from <code>', 'use only clips in this language'), '--language');
}

/** @param below what the flags change: `--set` and `--from` are of each of its corpora */
export function flagLayer(flags: Readonly<Record<string, unknown>>, below: readonly Layer[]): Layer {
  const given = keys.filter(({ path }) => path in flags);
  let values: unknown = {};
  for (const { path } of given) values = withValue(values, path.split('.'), flags[path]);
  values = withCurrentNames(values as Record<string, unknown>);
  const { set, from } = flags;
  const corpora = valueAt(mergeLayers([...below, { values, label: () => undefined }]), ['data', 'corpora']);
  const ofCorpora = [
    ...(set === undefined ? [] : [['set', set] as const]),
    ...(from === undefined ? [] : [['language', from] as const]),
  ];
  if (ofCorpora.length > 0 && Array.isArray(corpora)) {
    const changed = corpora.map((corpus) => ({ ...corpus, ...Object.fromEntries(ofCorpora) }));
    values = withValue(values, ['data', 'corpora'], changed);
  }
  return {
    values,
    label: (path) => {
      const text = path.join('.');
      if (text.startsWith('data.corpora.') && ofCorpora.some(([name]) => name === path.at(-1))) {
        return path.at(-1) === 'set' ? '--set' : '--from';
      }
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

/** JSON where the value is not a text; lists may also have commas between their values. What is neither stays a text. */
function flagValue(text: string, node: Node): unknown {
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
  const column = Math.max(...keys.map(({ path }) => path.length)) + 4;
  const lines = wrapped(
    'A recipe is a JSON file of these keys: "optimizer": {"steps": 300}. Each is a flag, too, which beats the recipe: ' +
      '--optimizer.steps 300, --objective.labelSmoothing 0.1; lists with commas, objects as JSON. ' +
      '"extends": "other.json" inherits missing keys from another recipe, and null removes a key.',
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
    lines.push(`  ${path.padEnd(column - 2)}${first}`, ...more.map((line) => ' '.repeat(column) + line));
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
