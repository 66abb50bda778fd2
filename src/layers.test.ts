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
  'hub',
  'metrics',
  'graph',
  'backend',
  'audio',
  'checkpoint',
  'whisper',
  'data',
  'corpora',
  'features',
  'checks',
  'pseudo-labels',
  'language-model',
  'speakers',
  'decoding',
  'synthesis',
  'live',
  'retrieval',
  'training',
  'evaluation',
  'studies',
  'demo',
  'serve',
  'cluster',
  'cli',
];
/** Ground that every floor stands on; index.ts stands over all but the commands. */
const GROUND = [
  'abort.ts',
  'errors.ts',
  'extremes.ts',
  'half-precision.ts',
  'in-parallel.ts',
  'lists.ts',
  'random.ts',
  'retry.ts',
  'seen-hashes.ts',
  'vectors.ts',
];

/** Folders whose files may import any module of Node: files on disk, threads, the terminal. */
const NODE_FOLDERS = ['files', 'hub', 'backend', 'synthesis', 'serve', 'cluster', 'cli'];
/** Other files that may, and why. Paths (`node:path`) are text and may be joined anywhere. */
const NODE_FILES: Readonly<Record<string, string>> = {
  'language/chinese.ts': 'loads a CommonJS library',
  'metrics/mecab.ts': 'reads a dictionary, loads a library that is a script',
  'metrics/sentencepiece.ts': 'finds and reads a model',
  'report/package-version.ts': 'reads the package',
  'report/machine.ts': 'reads processor and versions',
  'audio/audio-file.ts': 'decodes a file block by block',
  'audio/ffmpeg.ts': 'runs a program',
  'audio/containers/symphonia.ts': 'reads its WebAssembly in the package',
  'audio/containers/matroska.ts': 'inflates compressed packets',
  'audio/gunzipped.ts': 'decompresses archives into the cache',
  'audio/recordings-in.ts': 'walks folders',
  'audio/voice-activity.ts': 'the path of its model in the package',
  'audio/augment/sound-folder.ts': 'tells a folder from a file',
  'checkpoint/checkpoint.ts': 'tells a model directory from others',
  'checkpoint/directory.ts': 'replaces a model directory',
  'checkpoint/embedded.ts': 'the path of the model in the package',
  'checkpoint/safetensors.ts': 'reads tensors from their places in a file',
  'checkpoint/safetensors-write.ts': 'writes tensor after tensor',
  'checks/measure-worker.ts': 'a thread',
  'checks/measuring-threads.ts': 'begins threads',
  'whisper/english-half.ts': 'copies a model',
  'whisper/expert-files.ts': 'copies a folder',
  'whisper/quantize.ts': 'compares directories and their sizes',
  'data/audio-inputs.ts': 'paths, folders, or standard input',
  'corpora/corpus.ts': 'tells a folder from a file, lists it',
  'corpora/files-below.ts': 'walks folders',
  'features/cache-clean.ts': 'reads and rewrites parts of the cache',
  'corpora/common-voice.ts': "keeps an archive's tables while it is read",
  'corpora/patterns.ts': 'looks for files of a pattern',
  'features/cached-shards.ts': 'walks the folders of the cache',
  'features/recording-memo.ts': 'knows a file by its size and time',
  'features/shards.ts': 'the cache of features',
  'pseudo-labels/endpoint.ts': 'waits before it asks again',
  'pseudo-labels/pace.ts': 'waits for the turn of a request',
  'language-model/arpa-read.ts': 'reads gigabytes, compressed or not',
  'language-model/arpa-write.ts': 'writes gigabytes',
  'speakers/voice-embedder.ts': 'the path of its weights in the package',
  'decoding/diagnose.ts': 'reads processor, memory and versions',
  'training/checkpoints.ts': 'brings a checkpoint to the disk before it is renamed',
  'training/plan.ts': 'how much memory the machine has',
  'training/run.ts': 'moves a model into the folder of its run',
};

/** `import type { … } from '…'`, and `import { type A, type B } from '…'`. */
const TYPE_IMPORT =
  /^(?:import|export) (?:type [^;]*?|\{\s*type \w+(?:,\s*type \w+)*,?\s*\}) from '[^']+';/gm;

interface Import {
  readonly file: string;
  readonly specifier: string;
}

/** @param types whether imports of types only, which nothing loads, count */
function imports({ types = true } = {}): Import[] {
  const files = readdirSync(SOURCES, { recursive: true, encoding: 'utf8' }).filter(
    (file) => file.endsWith('.ts') && !file.endsWith('.test.ts') && !/(^testing|kernels)[\\/]/.test(file),
  );
  return files.flatMap((file) => {
    const text = readFileSync(join(SOURCES, file), 'utf8');
    // A file that is loaded when it is called for (`await import`) closes no circle.
    const loaded = types ? text : text.replace(TYPE_IMPORT, '').replace(/import\(/g, '');
    return [...loaded.matchAll(/(?:from|import)\s*\(?\s*'([^']+)'/g)].map(([, specifier = '']) => ({
      file,
      specifier,
    }));
  });
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

test('no file imports itself by way of others: the first one loaded would find the rest unfinished', () => {
  const graph = new Map<string, string[]>();
  for (const { file, specifier } of imports({ types: false })) {
    if (!specifier.startsWith('.')) continue;
    const target = relative(SOURCES, resolve(SOURCES, dirname(file), specifier));
    graph.set(file, [...(graph.get(file) ?? []), target]);
  }
  const done = new Set<string>();
  const circles: string[] = [];
  const visit = (file: string, path: readonly string[]): void => {
    if (path.includes(file)) circles.push([...path.slice(path.indexOf(file)), file].join(' → '));
    if (done.has(file) || path.includes(file)) return;
    for (const target of graph.get(file) ?? []) visit(target, [...path, file]);
    done.add(file);
  };
  for (const file of graph.keys()) visit(file, []);
  expect(circles).toEqual([]);
});

test('only the files that must import modules of Node', () => {
  const files = new Set(
    imports()
      .filter(({ specifier }) => specifier.startsWith('node:') && specifier !== 'node:path')
      .map(({ file }) => file.replaceAll('\\', '/'))
      .filter((file) => !NODE_FOLDERS.includes(floorOf(file))),
  );
  expect([...files].sort()).toEqual(Object.keys(NODE_FILES).sort());
});

test('onnxruntime is imported in one place, where its telemetry is off', () => {
  const files = imports({ types: false })
    .filter(({ specifier }) => specifier.startsWith('onnxruntime'))
    .map(({ file }) => file.replaceAll('\\', '/'));
  expect(files).toEqual(['backend/onnxruntime.ts']);
});
