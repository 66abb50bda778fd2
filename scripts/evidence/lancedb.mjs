// Could a vector database find the target clips of retrieval? LanceDB's multivector search (MaxSim by cosine: one direction of
// SeqSim) against the built-in search, on the same clips: how often the first of all is right, alone and after an exact comparison
// of its best 64; time, memory, bytes on disk. A line for each search is appended to docs/lab/lancedb.jsonl.
//
//     npm run build && npm run bench            (compiles the benches, too)
//     npm install --prefix <folder> @lancedb/lancedb@0.31.0 apache-arrow@18.1.0
//     node scripts/evidence/lancedb.mjs compose [--clips 10000] [--sources 300]
//     node scripts/evidence/lancedb.mjs built-in
//     node scripts/evidence/lancedb.mjs max-sim --vectors axes
//     node scripts/evidence/lancedb.mjs build --vectors axes --lancedb <folder>
//     node scripts/evidence/lancedb.mjs index --vectors axes --lancedb <folder> [--partitions 256] [--sub-vectors 32]
//     node scripts/evidence/lancedb.mjs search --vectors axes --lancedb <folder> [--probes 16] [--refine 4] [--seconds 120]
//
// Each command is a process of its own, so that its peak memory is. Clips: a half of one sentence and a half of another
// (bench/composed-clips.ts). `search` without --probes compares with every vector (no index). Vectors of a clip are those of its
// halves: `frames` (all), `two` (averaged by twos), `axes` (those in 128 leading dimensions), `centroids` (32 of k-means a clip).
// On one core: taskset -c 0 and --threads 1.
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { deserialize, serialize } from 'node:v8';
import { resultsFile, root } from './runs.mjs';

/** Of the compiled benches, which `npm run build` does not make. */
const compiled = (path) => import(new URL(`../../out/bench/js/${path}.js`, import.meta.url).href);
const { composed, compositions, encodedHalves, exactByHalves } = await compiled('bench/composed-clips');
const { Runtime } = await compiled('src/backend/runtime');
const { encodedClip, encodedRecord } = await compiled('src/features/encoded-record');
const { Shards } = await compiled('src/features/shards');
const { fingerprint } = await compiled('src/files/fingerprint');
const { machine } = await compiled('src/report/machine');
const { frameCentroids, scaleToUnit } = await compiled('src/retrieval/centroids');
const { averaged } = await compiled('src/retrieval/mean-pool');
const { principalAxes } = await compiled('src/retrieval/principal-axes');
const { seqSimMatrix } = await compiled('src/retrieval/seq-sim');
const { DEFAULT_SHORTLIST, ShortlistedSearch } = await compiled('src/retrieval/shortlist');

const { positionals, values } = parseArgs({
  allowPositionals: true,
  options: {
    model: { type: 'string', default: join(root, 'models/whisper-base-int8') },
    clips: { type: 'string', default: '10000' },
    sources: { type: 'string', default: '300' },
    threads: { type: 'string', default: '1' },
    vectors: { type: 'string', default: 'axes' },
    lancedb: { type: 'string' },
    partitions: { type: 'string', default: '256' },
    'sub-vectors': { type: 'string', default: '32' },
    probes: { type: 'string' },
    refine: { type: 'string' },
    seconds: { type: 'string', default: '120' },
  },
});
const out = join(root, 'out/lancedb');
mkdirSync(out, { recursive: true });
const threads = Number(values.threads);
const system = await machine();
const AXES = 128;
const CENTROIDS_PER_HALF = 16;
/** Scores that differ by less are equal: rounding. */
const TIE = 2e-6;
const ROWS_AT_ONCE = 250;

const file = (name) => join(out, name);
const clock = () => {
  const started = performance.now();
  return () => (performance.now() - started) / 1000;
};
const peak = () => process.resourceUsage().maxRSS * 1024;
const size = (path) =>
  statSync(path).isDirectory()
    ? readdirSync(path).reduce((sum, name) => sum + size(join(path, name)), 0)
    : statSync(path).size;
const keyOf = (target) => fingerprint(`target ${target}`, 32);
/** What `compose` wrote: halves, compositions of all targets, rows of the sources, their exact SeqSim and MaxSim with all. */
const compositionsMade = () => deserialize(readFileSync(file('composed.bin')));

async function compose() {
  const runtime = new Runtime({ threads });
  const halves = await encodedHalves(values.model);
  const all = compositions(halves, Number(values.clips));
  const rows = Array.from({ length: Number(values.sources) }, (_, i) => Math.floor((i * all.length) / Number(values.sources)));
  const exact = [];
  for await (const scores of exactByHalves(runtime, halves, rows.map((row) => all[row]), all)) exact.push(scores);
  const clipsOf = (some, own) => some.map((row) => composed(all[row], own, halves.width));
  const some = Array.from({ length: 100 }, (_, i) => Math.floor((i * all.length) / 100));
  const [sources, targets] = [clipsOf(rows.slice(0, 10), halves.source), clipsOf(some, halves.target)];
  await seqSimMatrix(runtime, sources, targets);
  const since = clock();
  const direct = await seqSimMatrix(runtime, sources, targets);
  const frames = (clips) => clips.reduce((sum, { length }) => sum + length, 0);
  const total = all.reduce((sum, pair) => sum + pair.reduce((n, half) => n + halves.target[half].length / halves.width, 0), 0);
  const perSource = ((since() / sources.length) * total) / frames(targets);
  const difference = direct.reduce((most, value, i) => Math.max(most, Math.abs(value - exact[Math.floor(i / 100)].seqSim[some[i % 100]])), 0);
  if (difference > 1e-4) throw new Error(`SeqSim by halves differs from that of the clips by ${difference}`);
  writeFileSync(file('composed.bin'), serialize({ halves, all, rows, exact }));
  rmSync(file('targets'), { recursive: true, force: true });
  mkdirSync(file('targets'));
  const shards = await Shards.open(file('targets'));
  for (const [i, composition] of all.entries()) {
    await shards.add([{ key: keyOf(i), ...encodedRecord(composed(composition, halves.target, halves.width), 'float16') }]);
  }
  await runtime.close();
  const found = measured({ all, rows, exact });
  const first = (scores) => found.first(scores.map((one) => one.indexOf(one.reduce((a, b) => Math.max(a, b)))));
  report({
    search: 'exact', vectors: 'frames', searched: rows.length, frames: total,
    rightExact: found.rightExact(rows.length), right: found.rightExact(rows.length),
    // What no search by MaxSim over all frames can surpass.
    rightByMaxSim: first(exact.map(({ maxSim }) => maxSim)),
    ...listedBy(found, exact.map(({ maxSim }) => largest(maxSim, DEFAULT_SHORTLIST))),
    secondsPerSource: perSource, bytes: size(file('targets')),
  });
}

const largest = (scores, count) =>
  Array.from(scores.keys()).sort((a, b) => scores[b] - scores[a] || a - b).slice(0, count);

/** How right an answer is. Clips in the other order of their halves are equal. */
function measured({ all, rows, exact }) {
  const places = new Map(all.map((pair, i) => [pair.join(' '), i]));
  const same = rows.map((row) => [row, places.get([...all[row]].reverse().join(' '))]);
  const most = (i, chosen) => chosen.reduce((top, target) => Math.max(top, exact[i].seqSim[target]), -Infinity);
  const best = rows.map((_, i) => exact[i].seqSim.reduce((a, b) => Math.max(a, b)) - TIE);
  const count = (list, test) => list.reduce((sum, one, i) => sum + Number(test(one, i)), 0);
  return {
    rightExact: (searched) => count(rows.slice(0, searched), (row, i) => exact[i].seqSim[row] >= best[i]),
    first: (firsts) => count(firsts, (target, i) => same[i].includes(target)),
    kept: (lists) =>
      count(lists, (chosen, i) => exact[i].seqSim[rows[i]] >= best[i] && chosen.some((target) => same[i].includes(target))),
    listed: (lists) => count(lists, (chosen, i) => most(i, chosen) >= best[i]),
    right: (lists) =>
      count(lists, (chosen, i) =>
        chosen.some((target) => same[i].includes(target) && exact[i].seqSim[target] >= most(i, chosen) - TIE),
      ),
  };
}

/**
 * Whether the best of all is on the shortlist, and the right one is first after an exact comparison of it: also where a wrong one
 * that was better is not listed. `kept`: those that are right among all and on the shortlist.
 */
const listedBy = (found, lists) => ({ listed: found.listed(lists), rightOfListed: found.right(lists), kept: found.kept(lists) });

function report(line) {
  resultsFile('lancedb').add({ clips: Number(values.clips), threads, ...line, peak: peak(), machine: system });
}

/** Targets on disk, as features are cached. */
async function targetsOnDisk({ all, halves }) {
  const shards = await Shards.open(file('targets'));
  return all.map((pair, i) => {
    const length = pair.reduce((n, half) => n + halves.target[half].length / halves.width, 0);
    return { length, width: halves.width, window: length, read: async () => encodedClip(await shards.read(keyOf(i))) };
  });
}

async function builtIn() {
  const made = compositionsMade();
  const { all, rows, halves } = made;
  const targets = await targetsOnDisk(made);
  const runtime = new Runtime({ threads });
  const sinceBuild = clock();
  const search = await ShortlistedSearch.among(runtime, targets);
  const build = sinceBuild();
  const sources = rows.map((row) => composed(all[row], halves.source, halves.width));
  const since = clock();
  const lists = [];
  for (let first = 0; first < sources.length; first += 100) {
    const scores = await search.scores(sources.slice(first, first + 100));
    for (let at = 0; at < scores.length; at += all.length) {
      lists.push(largest(scores.subarray(at, at + all.length), DEFAULT_SHORTLIST));
    }
  }
  const secondsPerSource = since() / sources.length;
  await search.unload();
  // What a shortlist of another search costs to compare.
  const sinceExact = clock();
  for (const [i, list] of lists.slice(0, 30).entries()) {
    const few = await ShortlistedSearch.among(runtime, list.map((target) => targets[target]));
    await few.scores([sources[i]]);
    await few.unload();
  }
  const exactPerSource = sinceExact() / 30;
  await runtime.close();
  const found = measured(made);
  report({
    search: 'built-in', vectors: 'centroids, leading dimensions', searched: rows.length,
    rightExact: found.rightExact(rows.length), ...listedBy(found, lists),
    secondsPerSource, exactPerSource, build, bytes: size(file('targets')),
  });
}

/** Vectors of each half of sources and targets, [n, width], of length 1. */
async function vectorsOfHalves({ source, target, width }) {
  const runtime = new Runtime({ threads });
  const by = (span) => (half) => averaged({ frames: half, length: half.length / width, window: half.length / width, width }, span).frames;
  const unit = (frames, own = width) => {
    scaleToUnit(frames, own);
    return frames;
  };
  const each = async (make) => ({ source: await inTurn(source, make), target: await inTurn(target, make) });
  const inTurn = async (list, make) => {
    const made = [];
    for (const half of list) made.push(await make(half));
    return made;
  };
  try {
    switch (values.vectors) {
      case 'frames':
        return { width, ...(await each((half) => unit(half.slice()))) };
      case 'two':
        return { width, ...(await each((half) => unit(by(2)(half)))) };
      case 'centroids':
        return {
          width,
          ...(await each((half) => frameCentroids(runtime, unit(by(2)(half)), width, Math.min(CENTROIDS_PER_HALF, Math.ceil(half.length / width / 2))))),
        };
      case 'axes': {
        const pooled = await each((half) => unit(by(2)(half)));
        const joined = new Float32Array(pooled.target.reduce((sum, one) => sum + one.length, 0));
        pooled.target.reduce((at, one) => (joined.set(one, at), at + one.length), 0);
        const axes = await principalAxes(runtime, joined, width, AXES);
        const reduced = (frames) => {
          const result = new Float32Array((frames.length / width) * AXES);
          for (let t = 0; t * width < frames.length; t++) {
            for (let a = 0; a < AXES; a++) {
              let sum = 0;
              for (let d = 0; d < width; d++) sum += axes[a * width + d] * frames[t * width + d];
              result[t * AXES + a] = sum;
            }
          }
          return unit(result, AXES);
        };
        return { width: AXES, source: pooled.source.map(reduced), target: pooled.target.map(reduced) };
      }
      default:
        throw new Error(`found --vectors ${values.vectors}; expected frames, two, axes or centroids`);
    }
  } finally {
    await runtime.close();
  }
}

/** LanceDB and Arrow from a folder of their own: they are no dependency. */
function lanceModules() {
  if (!values.lancedb) throw new Error('expected --lancedb <folder with @lancedb/lancedb and apache-arrow>');
  const require = createRequire(join(resolve(values.lancedb), 'package.json'));
  return { lancedb: require('@lancedb/lancedb'), arrow: require('apache-arrow') };
}
const database = () => file('database');

/** Rows of targets with a multivector each: List<FixedSizeList<float32>[width]>. */
function arrowTable(arrow, first, clips, width) {
  const total = clips.reduce((sum, one) => sum + one.length, 0);
  const flat = new Float32Array(total);
  const offsets = new Int32Array(clips.length + 1);
  let at = 0;
  clips.forEach((one, i) => {
    flat.set(one, at);
    at += one.length;
    offsets[i + 1] = at / width;
  });
  const cell = new arrow.FixedSizeList(width, new arrow.Field('item', new arrow.Float32(), true));
  const type = new arrow.List(new arrow.Field('item', cell, true));
  const values = arrow.makeData({ type: new arrow.Float32(), length: total, nullCount: 0, data: flat });
  const frames = arrow.makeData({ type: cell, length: total / width, nullCount: 0, child: values });
  const list = arrow.makeData({ type, length: clips.length, nullCount: 0, valueOffsets: offsets, child: frames });
  const ids = arrow.makeData({ type: new arrow.Int32(), length: clips.length, nullCount: 0, data: Int32Array.from(clips, (_, i) => first + i) });
  return new arrow.Table({ id: arrow.makeVector(ids), vector: arrow.makeVector(list) });
}

const joined = (pair, halves) => {
  const [a, b] = pair.map((half) => halves[half]);
  const whole = new Float32Array(a.length + b.length);
  whole.set(a);
  whole.set(b, a.length);
  return whole;
};

/** What LanceDB finds without an index, which takes it a minute a source: MaxSim over the same vectors, exactly. */
async function maxSim() {
  const made = compositionsMade();
  const { all, rows, halves } = made;
  const vectors = await vectorsOfHalves(halves);
  const runtime = new Runtime({ threads });
  const scores = [];
  for await (const one of exactByHalves(runtime, vectors, rows.map((row) => all[row]), all)) scores.push(one.maxSim);
  await runtime.close();
  const lists = scores.map((one) => largest(one, DEFAULT_SHORTLIST));
  const found = measured(made);
  report({
    search: 'MaxSim, exactly', vectors: values.vectors, searched: rows.length,
    rightExact: found.rightExact(rows.length), right: found.first(lists.map(([first]) => first)), ...listedBy(found, lists),
  });
}

async function build() {
  const { lancedb, arrow } = lanceModules();
  const { all, halves } = compositionsMade();
  const { width, target } = await vectorsOfHalves(halves);
  const since = clock();
  const connection = await lancedb.connect(database());
  let table;
  for (let first = 0; first < all.length; first += ROWS_AT_ONCE) {
    const clips = all.slice(first, first + ROWS_AT_ONCE).map((pair) => joined(pair, target));
    const rows = arrowTable(arrow, first, clips, width);
    if (table) await table.add(rows);
    else table = await connection.createTable(values.vectors, rows, { mode: 'overwrite' });
  }
  report({ search: 'build', vectors: values.vectors, build: since(), bytes: size(join(database(), `${values.vectors}.lance`)) });
}

async function index() {
  const { lancedb } = lanceModules();
  const table = await (await lancedb.connect(database())).openTable(values.vectors);
  const before = size(join(database(), `${values.vectors}.lance`));
  const since = clock();
  const [numPartitions, numSubVectors] = [values.partitions, values['sub-vectors']].map(Number);
  await table.createIndex('vector', {
    config: lancedb.Index.ivfPq({ distanceType: 'cosine', numPartitions, numSubVectors, maxIterations: 10 }),
    replace: true,
  });
  report({
    search: 'index', vectors: values.vectors, numPartitions, numSubVectors, build: since(),
    bytes: size(join(database(), `${values.vectors}.lance`)) - before,
  });
}

async function search() {
  const { lancedb } = lanceModules();
  const made = compositionsMade();
  const { all, rows, halves } = made;
  const { width, source } = await vectorsOfHalves(halves);
  const table = await (await lancedb.connect(database())).openTable(values.vectors);
  const lists = [];
  const since = clock();
  // In an order in which a search that is stopped has had sources from all over.
  const order = rows.map((_, i) => (i * 101) % rows.length);
  for (const i of order) {
    const frames = joined(all[rows[i]], source);
    const vectors = Array.from({ length: frames.length / width }, (_, t) => frames.subarray(t * width, (t + 1) * width));
    let query = table.vectorSearch(vectors).column('vector').distanceType('cosine').select(['id', '_distance']).limit(DEFAULT_SHORTLIST);
    query = values.probes ? query.nprobes(Number(values.probes)) : query.bypassVectorIndex();
    if (values.refine) query = query.refineFactor(Number(values.refine));
    lists.push((await query.toArray()).map(({ id }) => id));
    if (since() > Number(values.seconds)) break;
  }
  const searched = lists.length;
  const secondsPerSource = since() / searched;
  const own = order.slice(0, searched);
  const found = measured({ all, rows: own.map((i) => rows[i]), exact: own.map((i) => made.exact[i]) });
  report({
    search: 'LanceDB', vectors: values.vectors, searched,
    ...(values.probes && { probes: Number(values.probes), refine: Number(values.refine ?? 0) }),
    rightExact: found.rightExact(searched), right: found.first(lists.map(([first]) => first)), ...listedBy(found, lists),
    returned: lists.reduce((sum, list) => sum + list.length, 0) / searched,
    secondsPerSource, bytes: size(join(database(), `${values.vectors}.lance`)),
  });
}

const commands = { compose, 'built-in': builtIn, 'max-sim': maxSim, build, index, search };
const [command] = positionals;
if (!Object.hasOwn(commands, command ?? '')) throw new Error(`found "${command}"; expected ${Object.keys(commands).join(', ')}`);
if (command !== 'compose' && !existsSync(file('composed.bin'))) throw new Error('expected `compose` before');
await commands[command]();
