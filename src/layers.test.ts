/** The rule of the house: a folder imports from the floors below it, never from above or from beside it in a circle. */
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';

const SOURCES = fileURLToPath(new URL('.', import.meta.url));

/** From the ground up. Each folder may import those that stand before it. */
const FLOORS = [
  'language',
  'files',
  'report',
  'metrics',
  'graph',
  'backend',
  'audio',
  'checkpoint',
  'whisper',
  'data',
  'features',
  'language-model',
  'decoding',
  'retrieval',
  'training',
  'evaluation',
  'studies',
  'demo',
  'cli',
];
/** Ground that every floor stands on; index.ts stands over all but the commands. */
const GROUND = ['abort.ts', 'errors.ts', 'random.ts'];

interface Import {
  readonly file: string;
  readonly specifier: string;
}

function imports(): Import[] {
  const files = readdirSync(SOURCES, { recursive: true, encoding: 'utf8' }).filter(
    (file) => file.endsWith('.ts') && !file.endsWith('.test.ts') && !/(^testing|kernels)[\\/]/.test(file),
  );
  return files.flatMap((file) =>
    [...readFileSync(join(SOURCES, file), 'utf8').matchAll(/(?:from|import)\s*\(?\s*'([^']+)'/g)].map(
      ([, specifier = '']) => ({ file, specifier }),
    ),
  );
}

const floorOf = (file: string): string => file.split(/[\\/]/)[0]!;

test('no folder imports from a floor above its own', () => {
  const wrong = imports().flatMap(({ file, specifier }) => {
    if (!specifier.startsWith('.')) return [];
    const target = relative(SOURCES, resolve(SOURCES, dirname(file), specifier));
    if (GROUND.includes(target) || !FLOORS.includes(floorOf(file))) return [];
    return FLOORS.indexOf(floorOf(target)) <= FLOORS.indexOf(floorOf(file)) &&
      FLOORS.includes(floorOf(target))
      ? []
      : [`${file} imports ${target}`];
  });
  expect(wrong).toEqual([]);
});
