/**
 * What an exchange of gradients over Redis costs beside the network: values of 200 MB written and read through ioredis on
 * this machine, and a sum of float32 arrays. `node scripts/evidence/gradient-exchange.mjs` prints milliseconds, the
 * median of five; it needs redis-server. docs/scale.md has the figures.
 */
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { Redis } from 'ioredis';

const BYTES = 200e6;
const RUNS = 5;
const folder = mkdtempSync(join(tmpdir(), 'exchange-'));
const socket = join(folder, 'redis.sock');
const server = spawn('redis-server', ['--port', '0', '--unixsocket', socket, '--dir', folder, '--save', ''], {
  stdio: 'ignore',
});

/** @param {string} what @param {() => unknown} work */
async function measure(what, work) {
  const times = [];
  for (let run = 0; run < RUNS; run++) {
    const started = performance.now();
    await work();
    times.push(performance.now() - started);
  }
  times.sort((a, b) => a - b);
  console.log(`${what}\t${times[RUNS >> 1]?.toFixed(0)} ms`);
}

// Commands wait until the server listens.
const redis = new Redis(socket, { retryStrategy: () => 100, maxRetriesPerRequest: null });
redis.on('error', () => {});
try {
  const values = new Float32Array(BYTES / 4).map((_, i) => Math.sin(i));
  const bytes = Buffer.from(values.buffer);
  await measure('SET of 200 MB', () => redis.set('gradients', bytes));
  await measure('GET of 200 MB', () => redis.getBuffer('gradients'));
  const sum = new Float32Array(values.length);
  await measure('sum of 50 million float32', () => {
    for (let i = 0; i < sum.length; i++) sum[i] = /** @type {number} */ (sum[i]) + /** @type {number} */ (values[i]);
  });
} finally {
  redis.disconnect();
  server.kill();
  await wait(200);
  rmSync(folder, { recursive: true, force: true });
}

/** Width and layers of the decoder; Whisper's published sizes. */
const SIZES = { tiny: [384, 4], base: [512, 6], small: [768, 12], medium: [1024, 24], 'large-v3': [1280, 32] };
/** Seconds of a dense step of base, 16 clips on two cores (docs/lab/benchmarks.md); other sizes by their parameters. */
const BASE_STEP = 0.95;
const parametersOf = (/** @type {number} */ width, /** @type {number} */ layers) =>
  (51_866 + 448) * width + layers * 16 * width ** 2;
const base = parametersOf(512, 6);
console.log('\nsize\tparameters, M\tfloat32, MB\tstep, s\tGbit/s\tring of 2, s\tring of 8, s\tone Redis, 2\tone Redis, 8');
for (const [name, [width = 0, layers = 0]] of Object.entries(SIZES)) {
  const parameters = parametersOf(width, layers);
  for (const gigabits of [1, 10, 25]) {
    const once = (32 * parameters) / (gigabits * 1e9);
    const times = [1, 1.75, 2, 8].map((share) => (share * once).toFixed(2)).join('\t');
    const step = ((BASE_STEP * parameters) / base).toFixed(2);
    console.log(`${name}\t${(parameters / 1e6).toFixed(1)}\t${((4 * parameters) / 1e6).toFixed(0)}\t${step}\t${gigabits}\t${times}`);
  }
}
