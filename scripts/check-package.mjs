// Packs both packages as they would be published, installs them in an empty folder, and uses them as their reader would:
//   npm run check:package [folder to keep]
import { execFileSync, spawnSync } from 'node:child_process';
import { copyFileSync, cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const LARGEST_BYTES = 90e6;
/** Longest that one code block of the README may take. */
const BLOCK_MS = 300_000;

const root = fileURLToPath(new URL('..', import.meta.url));
const kept = process.argv[2];
const work = kept ?? mkdtempSync(join(tmpdir(), 'whisper-transfer-'));
mkdirSync(work, { recursive: true });
const folder = join(work, 'empty');
rmSync(folder, { recursive: true, force: true });
mkdirSync(folder);
writeFileSync(join(folder, 'package.json'), '{ "private": true, "type": "module" }\n');

let failed = 0;
/** @param {string} what @param {boolean} holds @param {string} [detail] */
function check(what, holds, detail = '') {
  console.log(`${holds ? 'ok    ' : 'FAILED'} ${what}`);
  if (holds) return;
  failed++;
  // The last lines say why; before them may stand pages of progress.
  if (detail) console.log(detail.trim().split('\n').slice(-25).join('\n').replace(/^/gm, '       '));
}

// The npm that runs this script, whichever it is: npm sets its path.
const npmCli = process.env.npm_execpath;
if (npmCli === undefined) throw new Error('run it by npm: npm run check:package');
// Nothing of the checkout's npm reaches the one that plays the user.
const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^(npm_|INIT_CWD$|NODE_OPTIONS$)/.test(name)));

/** @param {string[]} args @param {string} [cwd] @param {number} [timeout] */
function run(args, cwd = folder, timeout = 1_800_000) {
  const { status, stdout, stderr } = spawnSync(process.execPath, args, { cwd, env, encoding: 'utf8', timeout, maxBuffer: 1e8 });
  return { status, stdout, stderr, all: `${stdout}${stderr}` };
}
/** @param {string[]} args */
const npm = (...args) => run([npmCli, ...args]);
/** @param {string[]} args */
const cli = (...args) => npm('exec', '--offline', '--', 'whisper-transfer', ...args);
/** @param {string} path */
const readJson = (path) => JSON.parse(readFileSync(path, 'utf8'));

// Pack both packages.
/** @param {string} source */
function pack(source) {
  const out = execFileSync(process.execPath, [npmCli, 'pack', source, '--json', '--ignore-scripts', '--pack-destination', work], {
    cwd: root,
    env,
    encoding: 'utf8',
    maxBuffer: 1e8,
  });
  // A list of packages until npm 11, an object by name from npm 12 on.
  const packed = /** @type {{ name: string, version: string, size: number, filename: string, files: { path: string }[] }} */ (
    Object.values(JSON.parse(out))[0]
  );
  const { name, size, filename, files } = packed;
  check(`${name}: ${(size / 1e6).toFixed(1)} MB packed, ${files.length} files (at most ${LARGEST_BYTES / 1e6} MB)`, size <= LARGEST_BYTES);
  const lint = run([join(root, 'node_modules/publint/src/cli.js'), '--strict', join(work, filename)], root);
  check(`${name}: publint`, lint.status === 0, lint.all);
  return { ...packed, tarball: join(work, filename), paths: files.map(({ path }) => path.replaceAll('\\', '/')) };
}

execFileSync(process.execPath, [npmCli, 'run', '--silent', 'clean'], { cwd: root, env, stdio: 'inherit' });
execFileSync(process.execPath, [npmCli, 'run', '--silent', 'build'], { cwd: root, env, stdio: 'inherit' });
const main = pack('.');
const samples = pack('./samples');

const manifest = readJson(join(root, 'package.json'));
const targets = Object.values(manifest.exports).flatMap((entry) => (typeof entry === 'string' ? [entry] : Object.values(entry)));
const expected = [
  ...targets.filter((target) => !target.includes('*')).map((target) => target.replace(/^\.\//, '')),
  ...Object.values(manifest.bin),
  'dist/backend/adamw.wasm',
  'codecs/symphonia.wasm',
  'codecs/LICENSE',
  'codecs/README.md',
  'models/whisper-base-int8/model.safetensors.index.json',
  'models/whisper-base-int8/LICENSE',
  'models/silero-vad/LICENSE',
  'recipes/laptop.json',
  'README.md',
  'LICENSE',
  'CHANGELOG.md',
];
const missing = expected.filter((path) => !main.paths.includes(path));
check('whisper-transfer: every export, the command, the models and recipes are in it', missing.length === 0, missing.join('\n'));
const unwanted = main.paths.filter((path) => /\.map$|\.test\.|(?<!\.d)\.ts$|^(src|samples|scripts|bench)\/|\/testing\//.test(path));
check('whisper-transfer: no sources, tests, source maps or recordings', unwanted.length === 0, unwanted.join('\n'));
const rows = readFileSync(join(root, 'samples/manifest.tsv'), 'utf8').trim().split('\n').slice(1);
const lost = rows.map((row) => row.split('\t')[0] ?? '').filter((path) => !samples.paths.includes(path));
check(`whisper-transfer-samples: all ${rows.length} recordings of its manifest`, lost.length === 0, lost.join('\n'));
check('whisper-transfer-samples: licences', ['GPL-3.0', 'gcompris-voices', 'tatoeba'].every((name) => samples.paths.includes(`licences/${name}.txt`)));
check(`both are version ${main.version}`, samples.version === main.version);
// Its script fetches CUDA libraries, which nothing here uses. npm 11 and 12 read allowScripts, npm 10 this flag.
const locked = readJson(join(root, 'package-lock.json')).packages['node_modules/onnxruntime-node'];
check(
  'a checkout never runs the script of onnxruntime-node',
  manifest.allowScripts?.['onnxruntime-node'] === false && !locked.hasInstallScript,
  'delete its line "hasInstallScript" in package-lock.json',
);

// Installed, without any package's scripts: none is needed.
const install = npm('install', '--ignore-scripts', '--prefer-offline', '--no-audit', '--no-fund', main.tarball, samples.tarball);
check('npm install of both, no warning', install.status === 0 && !/warn/i.test(install.all), install.all);
const installed = join(folder, 'node_modules/whisper-transfer-samples');
const version = cli('--version');
check(`npx whisper-transfer --version is ${main.version}`, version.stdout.trim() === main.version, version.all);

const recording = join(installed, 'gcompris/en/algebra_by.opus');
const transcribed = cli('transcribe', recording, '--from', 'en');
check('npx whisper-transfer transcribe', /multiply the two numbers together/i.test(transcribed.stdout), transcribed.all);

renameSync(installed, `${installed}-away`);
const without = cli('demo');
check('npx whisper-transfer demo without the recordings is one line that says how to install them', without.status === 2 && /^error: .*npm install whisper-transfer-samples$/m.test(without.stderr), without.all);
renameSync(`${installed}-away`, installed);
// What it shows is checked where it runs in full: here it only has to run.
const demo = cli('demo', '--steps', '2', '--train-clips', '16', '--test-clips', '2');
check('npx whisper-transfer demo --steps 2 --test-clips 2', demo.status === 0 && existsSync(join(folder, 'out/demo/report.html')), demo.all);

// The README's code, compiled and run against what is installed. `samples/` is where its reader has the recordings; any other
// file of sound that a block names is one of them. A block marked `no-run` is compiled only.
const readme = readFileSync(join(folder, 'node_modules/whisper-transfer/README.md'), 'utf8');
const blocks = [...readme.matchAll(/^```(ts|typescript|js|javascript|mjs)\b([^\n]*)\n([\s\S]*?)^```/gm)]
  .map(([, , marks = '', code = '']) => ({ code, runs: !/\bno-run\b/.test(marks) }))
  .filter(({ code }) => /['"]whisper-transfer(\/[\w-]+)?['"]/.test(code));
cpSync(installed, join(folder, 'samples'), { recursive: true });
for (const { code } of blocks) {
  for (const [, path = ''] of code.matchAll(/['"]([\w./-]+\.(?:wav|mp3|flac|ogg|opus))['"]/g)) {
    const copy = join(folder, path);
    if (existsSync(copy)) continue;
    mkdirSync(dirname(copy), { recursive: true });
    copyFileSync(recording, copy);
  }
}
blocks.forEach(({ code }, i) => writeFileSync(join(folder, `readme-${i + 1}.mts`), code));
if (blocks.length > 0) {
  const sources = blocks.map((_, i) => `readme-${i + 1}.mts`);
  const options = ['--module', 'nodenext', '--target', 'es2023', '--strict', '--types', 'node', '--typeRoots', join(root, 'node_modules/@types')];
  const compiled = run([join(root, 'node_modules/typescript/bin/tsc'), ...options, ...sources]);
  check(`the README's ${blocks.length} code blocks compile`, compiled.status === 0, compiled.all);
}
blocks.forEach(({ runs }, i) => {
  if (!runs) return;
  const { status, all } = run([`readme-${i + 1}.mjs`], folder, BLOCK_MS);
  check(`the README's code block ${i + 1} runs`, status === 0, all);
});

if (kept === undefined) rmSync(work, { recursive: true });
console.log(failed === 0 ? 'The packages work.' : `${failed} of the checks failed.`);
process.exitCode = failed === 0 ? 0 : 1;
