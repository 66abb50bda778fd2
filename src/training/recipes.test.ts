/** The recipes that come with the package: each is one, and what it names of the package is there. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { parseRecipe, readLayers } from './recipe-file.ts';
import { recipeJsonSchema } from './recipe-keys.ts';

const folder = fileURLToPath(new URL('../../recipes', import.meta.url));
const files = readdirSync(folder, { recursive: true })
  .map(String)
  .filter((name) => name.endsWith('.json') && name !== 'recipe.schema.json')
  .sort();
const outputs = new Set<string>();

test.each(files)('%s', async (name) => {
  const layers = await readLayers(join(folder, name));
  const recipe = parseRecipe(layers);
  // Their texts and recordings are the user's.
  if (!['paper.json', 'english-first-texts.json', 'two-hours.json'].includes(name)) {
    for (const { manifest = '' } of recipe.data.corpora) expect(existsSync(manifest), manifest).toBe(true);
  }
  // No two write into one folder, and the schema that editors read is where they look for it.
  expect(outputs).not.toContain(recipe.output);
  outputs.add(recipe.output);
  const { $schema } = JSON.parse(readFileSync(join(folder, name), 'utf8'));
  expect(existsSync(join(folder, name, '..', $schema))).toBe(true);
  expect(readFileSync(join(folder, 'README.md'), 'utf8')).toContain(`(${name.replaceAll('\\', '/')})`);
});

test('the schema that editors read is that of the program: `npm run build:schema` writes it', () => {
  const file = readFileSync(join(folder, 'recipe.schema.json'), 'utf8');
  expect(JSON.parse(file)).toEqual(JSON.parse(JSON.stringify(recipeJsonSchema)));
});
