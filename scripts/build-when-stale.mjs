/**
 * Builds `dist` where a source is newer: before the demo, and before the tests, as the worker, the kernels and the command line
 * that they start come from there, and must be what the sources say.
 */
import { execSync } from 'node:child_process';
import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../', import.meta.url));
/** What the build writes last. */
const LAST = 'dist/backend/centroid-interaction.wasm';

/** @param {string} file */
const written = (file) => statSync(join(ROOT, file), { throwIfNoEntry: false })?.mtimeMs ?? Number.NEGATIVE_INFINITY;

export default function buildWhenStale() {
  const sources = readdirSync(join(ROOT, 'src'), { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.ts') && !file.endsWith('.test.ts') && !/^testing[\\/]/.test(file))
    .map((file) => join('src', file));
  const inputs = [...sources, 'tsconfig.json', 'tsconfig.build.json', 'tsconfig.page.json', 'package.json'];
  if (inputs.every((file) => written(file) <= written(LAST))) return;
  execSync('npm run --silent build', { cwd: ROOT, stdio: 'inherit' });
}

if (process.argv[1] === fileURLToPath(import.meta.url)) buildWhenStale();
