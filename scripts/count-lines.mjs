/** Counts code lines of a folder's TypeScript: neither blank nor comment, without tests. `node scripts/count-lines.mjs src` */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

const folder = process.argv[2] ?? 'src';
const counts = new Map();
for (const file of readdirSync(folder, { recursive: true, encoding: 'utf8' })) {
  if (!file.endsWith('.ts') || file.endsWith('.test.ts') || /^testing[\\/]/.test(file)) continue;
  // The formatter puts block comments on lines of their own.
  const code = readFileSync(join(folder, file), 'utf8').replace(/^\s*\/\*[^]*?\*\//gm, '');
  const lines = code.split('\n').filter((line) => !/^\s*(\/\/.*)?$/.test(line)).length;
  const top = /[\\/]/.test(file) ? file.split(/[\\/]/)[0] : '.';
  counts.set(top, (counts.get(top) ?? 0) + lines);
}
for (const [name, lines] of counts) console.log(String(lines).padStart(7), name);
console.log(String([...counts.values()].reduce((sum, lines) => sum + lines, 0)).padStart(7), 'in all');
