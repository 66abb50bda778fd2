// Runs the steps of the Dockerfile without Docker: each stage in a folder of its own, COPY by copying (.dockerignore obeyed), RUN
// by the shell; then starts the last stage as its user, with its folder read-only, waits until its health check passes, has it
// transcribe a recording, and ends it; then a worker, as the Compose file starts it, where redis-server is:  npm run check:docker
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { chmodSync, cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parse } from 'yaml';

const KEY = 'a-key-of-this-check';
/** Longest until the health check passes, and until the process ends. */
const START_MS = 60_000;
const STOP_MS = 20_000;

const root = fileURLToPath(new URL('..', import.meta.url));
const work = mkdtempSync(join(tmpdir(), 'whisper-transfer-docker-'));
chmodSync(work, 0o755);

/** @typedef {{ folder: string, workdir: string, env: Record<string, string>, user?: string, health?: string[], entry: string[], cmd: string[] }} Stage */

const steps = readFileSync(join(root, 'Dockerfile'), 'utf8')
  .replace(/^\s*#.*\n/gm, '')
  .replace(/\\\n/g, ' ')
  .split('\n')
  .map((line) => /^(\w+)\s+(.*)$/.exec(line.trim()))
  .filter((found) => found !== null);

/** Files that .dockerignore leaves in the context: all but what it names, and what it names after `!`. */
const kept = readFileSync(join(root, '.dockerignore'), 'utf8')
  .split('\n')
  .filter((line) => line.startsWith('!'))
  .map((line) => line.slice(1));
const context = join(work, 'context');
const tracked = execFileSync('git', ['ls-files', '-z', ...kept], { cwd: root, encoding: 'utf8', maxBuffer: 1e8 });
for (const file of tracked.split('\0').filter(Boolean)) cpSync(join(root, file), join(context, file));

/** @type {Map<string, Stage>} */
const stages = new Map();
/** @type {Stage} */
let stage = { folder: '', workdir: '/', env: {}, entry: [], cmd: [] };

/** @param {string} path in the image */
const inside = (path) => join(stage.folder, path.startsWith('/') ? path : join(stage.workdir, path));

/** @param {string} rest sources, and where to */
function copy(rest) {
  const from = /^--from=(\w+)\s+/.exec(rest);
  const paths = rest.slice(from?.[0].length ?? 0).split(/\s+/);
  const source = from ? stages.get(from[1] ?? '')?.folder : context;
  if (source === undefined) throw new Error(`COPY ${rest}: no such stage`);
  const to = paths.pop() ?? '';
  for (const path of paths) {
    const file = join(source, path);
    const into = to.endsWith('/') && statSync(file).isFile() ? join(inside(to), basename(path)) : inside(to);
    mkdirSync(dirname(into), { recursive: true });
    cpSync(file, into, { recursive: true, verbatimSymlinks: true });
  }
}

for (const [, word = '', rest = ''] of steps) {
  console.log(`-- ${word} ${rest.replace(/\s+/g, ' ')}`);
  if (word === 'FROM') {
    const [image = '', as, name = `${stages.size}`] = rest.split(/\s+/);
    if (!/^node:\d+-\w+-slim$/.test(image) || (as !== undefined && as !== 'AS')) throw new Error(`FROM ${rest}: expected a slim image of Node`);
    stage = { folder: join(work, name), workdir: '/', env: {}, entry: [], cmd: [] };
    mkdirSync(stage.folder);
    stages.set(name, stage);
  } else if (word === 'WORKDIR') {
    stage.workdir = rest;
    mkdirSync(inside('.'), { recursive: true });
  } else if (word === 'ENV') {
    const [name = '', value = ''] = rest.split('=');
    stage.env[name] = value;
  } else if (word === 'COPY') copy(rest);
  else if (word === 'RUN') {
    const { status } = spawnSync('sh', ['-c', rest], { cwd: inside('.'), env: { ...process.env, ...stage.env }, stdio: ['ignore', 'inherit', 'inherit'] });
    if (status !== 0) {
      console.log(`FAILED RUN ${rest.replace(/\s+/g, ' ')}`);
      rmSync(work, { recursive: true, force: true });
      process.exit(1);
    }
  } else if (word === 'USER') stage.user = rest;
  else if (word === 'HEALTHCHECK') stage.health = JSON.parse(rest.replace(/^.*?CMD\s+/, ''));
  else if (word === 'ENTRYPOINT') stage.entry = JSON.parse(rest);
  else if (word === 'CMD') stage.cmd = JSON.parse(rest);
  else if (word !== 'EXPOSE') throw new Error(`${word}: not known to this check; teach it`);
}

/** @param {string} folder takes away every right to write below it */
function readOnly(folder) {
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) readOnly(path);
    else if (entry.isFile()) chmodSync(path, statSync(path).mode & ~0o222);
  }
  chmodSync(folder, 0o555);
}
readOnly(stage.folder);

const { user, health = [], entry, cmd } = stage;
if (!user || /^(0|root)\b/.test(user)) throw new Error(`USER: found ${user ?? 'none'}; expected somebody who is not root`);
const [uid, gid] = user.split(':').map(Number);
const temporary = join(work, 'tmp');
mkdirSync(temporary, { mode: 0o777 });
chmodSync(temporary, 0o777);
const other = { uid: uid ?? 1000, gid: gid ?? 1000 };
const options = {
  cwd: inside('.'),
  env: { PATH: process.env.PATH ?? '', TMPDIR: temporary, HOME: '/nonexistent', WHISPER_TRANSFER_API_KEY: KEY, ...stage.env },
  ...(process.getuid?.() === 0 && other),
};
// Port 8000 of this machine may be taken: the port is the only word that changes.
const port = 20_000 + (process.pid % 20_000);
/** @param {string[]} words */
const moved = (words) => words.map((word) => word.replace(/\b8000\b/g, String(port)));
const [program = '', ...args] = moved([...entry, ...cmd]);

/** A worker of the image waits for shards, has the client of S3, and ends by SIGTERM. */
async function checkWorker() {
  const { services } = parse(readFileSync(join(root, 'deploy/compose.workers.yaml'), 'utf8'));
  const redisPort = String(port + 1);
  const redis = spawn('redis-server', ['--port', redisPort, '--bind', '127.0.0.1', '--save', '', '--dir', temporary], { stdio: 'ignore' });
  const isThere = await new Promise((resolve) => redis.once('spawn', () => resolve(true)).once('error', () => resolve(false)));
  if (!isThere) return console.log('left out: a worker, as redis-server is not here');
  const [node = '', ...main] = entry;
  const env = { ...options.env, WHISPER_TRANSFER_REDIS: `redis://127.0.0.1:${redisPort}` };
  const worker = spawn(node, [...main, ...services.worker.command], { ...options, env, stdio: ['ignore', 'ignore', 'pipe'] });
  try {
    let said = '';
    worker.stderr.on('data', (text) => (said += text));
    for (let waited = 0; !said.includes('waits for shards'); waited += 100) {
      if (waited > START_MS || worker.exitCode !== null) throw new Error(`worker: ${said || 'said nothing'}`);
      await pause(100);
    }
    const client = spawnSync(node, ['--input-type=module', '-e', "await import('@aws-sdk/client-s3')"], options);
    if (client.status !== 0) throw new Error(`the client of S3: ${client.stderr}`);
    const ended = new Promise((resolve) => worker.once('exit', resolve));
    worker.kill('SIGTERM');
    const code = await ended;
    if (code !== 143) throw new Error(`worker, SIGTERM: found exit code ${code}; expected 143`);
    console.log('ok     a worker waited for shards, and ended by SIGTERM');
  } finally {
    worker.kill('SIGKILL');
    redis.kill('SIGKILL');
  }
}

const server = spawn(program, args, { ...options, stdio: ['ignore', 'inherit', 'inherit'] });
let failure = '';
try {
  const began = Date.now();
  for (;;) {
    const [checker = '', ...words] = moved(health);
    if (spawnSync(checker, words, options).status === 0) break;
    if (server.exitCode !== null) throw new Error(`the server ended: ${server.exitCode}`);
    if (Date.now() - began > START_MS) throw new Error(`the health check did not pass in ${START_MS / 1000} s`);
    await pause(100);
  }
  console.log(`ok     healthy after ${((Date.now() - began) / 1000).toFixed(1)} s`);
  const [, row = ''] = readFileSync(join(root, 'samples/manifest.tsv'), 'utf8').split('\n');
  const file = row.split('\t')[0] ?? '';
  /** @param {string} key */
  const ask = async (key) => {
    const form = new FormData();
    form.append('file', new Blob([readFileSync(join(root, 'samples', file))]), basename(file));
    form.append('model', 'whisper-1');
    return fetch(`http://127.0.0.1:${port}/v1/audio/transcriptions`, { method: 'POST', body: form, headers: { authorization: `Bearer ${key}` } });
  };
  const refused = await ask('another');
  if (refused.status !== 401) throw new Error(`a wrong key: found status ${refused.status}; expected 401`);
  const answer = await ask(KEY);
  const body = await answer.text();
  if (answer.status !== 200 || !JSON.parse(body).text) throw new Error(`transcription: found status ${answer.status}, ${body}`);
  console.log(`ok     ${file}: ${JSON.parse(body).text}`);
  server.kill('SIGTERM');
  for (let waited = 0; server.exitCode === null && server.signalCode === null; waited += 100) {
    if (waited > STOP_MS) throw new Error(`SIGTERM: it had not ended after ${STOP_MS / 1000} s`);
    await pause(100);
  }
  if (server.exitCode !== 0) throw new Error(`SIGTERM: found exit code ${server.exitCode ?? server.signalCode}; expected 0`);
  const left = readdirSync(temporary);
  if (left.length > 0) throw new Error(`left in the temporary folder: ${left.join(', ')}`);
  console.log('ok     ended by SIGTERM, nothing left behind');
  await checkWorker();
} catch (error) {
  failure = /** @type {Error} */ (error).message;
  server.kill('SIGKILL');
}
// Folders without the right to write cannot be emptied by their owner.
if (existsSync(stage.folder)) execFileSync('chmod', ['-R', 'u+w', stage.folder]);
rmSync(work, { recursive: true, force: true });
if (failure) {
  console.log(`FAILED ${failure}`);
  process.exitCode = 1;
}
