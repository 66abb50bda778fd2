/** Probes on a tiny random Whisper: layers, training that repeats itself, files, damage, mistakes. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { readManifest } from '../../data/manifest.ts';
import { UserError } from '../../errors.ts';
import { float16ToFloat32 } from '../../half-precision.ts';
import { writeTinyModel } from '../../testing/tiny-model.ts';
import { frameValues } from '../../whisper/encoded-clip.ts';
import { WhisperModel } from '../../whisper/model.ts';
import { LAYER_WEIGHTS } from './head.ts';
import { type LayerFeatures, layerFeatures } from './layer-features.ts';
import { Classifier, defaultProbe, type ProbeExample, type ProbeOptions, trainProbe } from './probe.ts';
import { readProbe, writeProbe } from './probe-file.ts';
import { degraded } from './robustness.ts';
import { runProbe } from './run.ts';
import { selectLabelled } from './select.ts';

const scratch = mkdtempSync(join(tmpdir(), 'probe-'));
const samples = fileURLToPath(new URL('../../../samples', import.meta.url));
let model: WhisperModel;
beforeAll(async () => {
  await writeTinyModel(join(scratch, 'model'), { encoderLayers: 2 });
  model = await WhisperModel.load(join(scratch, 'model'), { threads: 1 });
});
afterAll(async () => {
  await model?.close();
  rmSync(scratch, { recursive: true, force: true });
});

const sound = (length: number, seed: number) =>
  Float32Array.from({ length }, (_, i) => 0.3 * Math.sin((i * i * seed) / 1e5) * Math.sin(i / 900));

test('the last layer’s features are the encoder’s output; means are of the clip’s own frames', async () => {
  const clips = [sound(9_000, 1), sound(20_000, 2), sound(9_000, 3)];
  const all = await layerFeatures(model, clips, { pooling: 'frames', window: 'fit' });
  const pooled = await layerFeatures(model, clips, { pooling: 'mean', window: 'fit' });
  const encoded = await model.encode(clips, 'fit');
  clips.forEach((_, i) => {
    const { layers, frames: count, width, values } = all[i]!;
    expect([layers, count, width]).toEqual([3, encoded[i]!.length, 16]);
    const last = float16ToFloat32(values.subarray(2 * count * width));
    const want = frameValues(encoded[i]!).subarray(0, count * width);
    want.forEach((value, k) => expect(last[k]).toBeCloseTo(value, 2));
    const mean = float16ToFloat32(pooled[i]!.values).subarray(2 * width);
    mean.forEach((value, k) => {
      const column = Array.from({ length: count }, (_, t) => want[t * width + k]!);
      expect(value).toBeCloseTo(column.reduce((a, b) => a + b) / count, 2);
    });
  });
});

/** Three layers; only the middle one knows the label. With several frames, only one of them does. */
function examples(count: number, frames: number): ProbeExample[] {
  const [layers, width] = [3, 8];
  return Array.from({ length: count }, (_, n) => {
    const label = n % 2;
    const own = frames === 1 ? 1 : frames - (n % 3);
    const values = new Float32Array(layers * own * width).map((_, i) => Math.sin(7.3 * i + n * n * 1.7));
    const told = own === 1 ? 0 : n % own;
    for (let k = 0; k < width; k++) values[(own + told) * width + k] = (k < 4 ? 4 : -4) * (label ? 1 : -1);
    const half: LayerFeatures = {
      ...{ layers, frames: own, width },
      values: Uint16Array.from(values, (value) => halfBits(value)),
    };
    return { label, features: async () => half };
  });
}

/** Good enough for numbers of ordinary size: cuts the float32. */
function halfBits(value: number): number {
  const bits = new Uint32Array(Float32Array.of(value).buffer)[0]!;
  const exponent = ((bits >>> 23) & 0xff) - 112;
  return exponent <= 0 ? 0 : ((bits >>> 16) & 0x8000) | (exponent << 10) | ((bits >>> 13) & 0x3ff);
}

test.each([
  ['linear', 1],
  ['attention', 6],
] as const)('a %s head learns, finds the layer that knows, and repeats itself bit for bit', async (head, frames) => {
  const training = examples(40, frames);
  const options: ProbeOptions = { ...defaultProbe, head, steps: 80, batchSize: 16, learningRate: 0.01 };
  const one = await trainProbe(model.runtime, training, 2, options);
  const two = await trainProbe(model.runtime, training, 2, options);
  expect(two.losses).toEqual(one.losses);
  for (const [name, { data }] of one.head.weights) expect(two.head.weights.get(name)!.data).toEqual(data);
  expect((await trainProbe(model.runtime, training, 2, { ...options, seed: 2 })).losses).not.toEqual(
    one.losses,
  );
  expect(one.losses[0]).toBeCloseTo(Math.log(2), 1);
  expect(one.losses.at(-1)).toBeLessThan(0.1);
  const [first, middle, last] = one.head.weights.get(LAYER_WEIGHTS)!.data;
  expect(middle!).toBeGreaterThan(Math.max(first!, last!));

  const settings = {
    label: 'lang',
    labels: ['a', 'b'],
    head,
    layers: 3,
    width: 8,
    window: 'fit',
    encoder: 'x',
  } as const;
  const folder = join(scratch, head);
  await writeProbe(folder, { ...settings, labels: [...settings.labels] }, one.head);
  const read = await readProbe(folder);
  const classifier = await Classifier.create(model.runtime, read.head);
  const answers = await classifier.classify(training.map(({ features }) => features));
  await classifier.close();
  expect(answers).toEqual(training.map(({ label }) => label));
});

test('a run from recordings to results is the same with and without cached features', async () => {
  const all = await readManifest(join(samples, 'manifest.tsv'));
  const short = (language: string) =>
    all.filter((clip) => clip.language === language && clip.set === 'new').slice(0, 4);
  const file = join(scratch, 'two.tsv');
  const rows = ['en', 'fr']
    .flatMap(short)
    .map((clip) => `${clip.audio}\t${clip.language}\tvoice ${clip.language}`);
  writeFileSync(file, `audio\tlang\tvoice\n${rows.join('\n')}\n`);
  const labelled = await selectLabelled(file, { label: 'lang', testShare: 0.25, seed: 1 });
  expect(labelled.clips.filter(({ test: asked }) => asked).length).toBe(2);
  const run = () =>
    runProbe(model, labelled, {
      ...{ label: 'lang', window: 'fit', cache: join(scratch, 'cache'), eachLayer: true },
      training: { ...defaultProbe, steps: 5 },
    });
  const first = await run();
  const second = await run();
  expect(second.results).toEqual(first.results);
  expect(first.results.layerShares.reduce((a, b) => a + b)).toBeCloseTo(1, 6);
  expect(first.results.layerAccuracy?.length).toBe(3);
  expect(first.results.confounded).toEqual(['voice']);
});

test('a clip is damaged alike every time, by name and seed', async () => {
  const clip = sound(4_000, 1);
  const noisy = (file: string, seed: number, strength: number) =>
    degraded(clip, file, { kind: 'noise', strength }, { seed, folder: undefined });
  const added = async (file: string, seed: number, strength: number) =>
    (await noisy(file, seed, strength)).map((value, i) => value - clip[i]!);
  expect(await noisy('/a/x.wav', 1, 10)).toEqual(await noisy('/b/x.wav', 1, 10));
  expect(await noisy('x.wav', 1, 10)).not.toEqual(await noisy('y.wav', 1, 10));
  expect(await noisy('x.wav', 1, 10)).not.toEqual(await noisy('x.wav', 2, 10));
  const power = (x: Float32Array) => x.reduce((sum, v) => sum + v * v, 0);
  expect(10 * Math.log10(power(clip) / power(await added('x.wav', 1, 5)))).toBeCloseTo(5, 2);
  const room = await degraded(
    clip,
    'x',
    { kind: 'reverberation', strength: 0.2 },
    { seed: 1, folder: undefined },
  );
  expect(room.length).toBe(clip.length);
  expect(power(room) / power(clip)).toBeCloseTo(1, 3);
});

const manifest = (name: string, lines: readonly string[]): string => {
  const file = join(scratch, name);
  writeFileSync(file, `audio\tlang\tset\tspeaker\n${lines.join('\n')}\n`);
  return file;
};
const select = (file: string, more: Partial<Parameters<typeof selectLabelled>[1]> = {}) =>
  selectLabelled(file, { label: 'speaker', testShare: 0.3, seed: 1, ...more });

test('manifests that fit no probe are refused in one line', async () => {
  const good = ['a.wav\ten\tx\tann', 'b.wav\ten\tx\tann', 'c.wav\tfr\ty\tbob', 'd.wav\tfr\ty\tbob'];
  const file = manifest('good.tsv', good);
  const refused = async (run: Promise<unknown>, message: RegExp) => {
    const error = await run.then(
      () => undefined,
      (reason: unknown) => reason,
    );
    expect(error).toBeInstanceOf(UserError);
    expect((error as Error).message).toMatch(message);
    expect((error as Error).message).not.toMatch(/\n/);
  };
  await refused(select(file, { label: 'emotion' }), /no column "emotion".*lang, set, speaker/);
  await refused(select(manifest('one.tsv', good.slice(0, 2))), /only "ann".*at least two labels/);
  await refused(select(manifest('single.tsv', good.slice(0, 3))), /"bob": found 1 clips of one recording/);
  await refused(select(file, { group: 'lang' }), /"ann": found 2 clips of one lang/);
  await refused(select(file, { only: ['ann', 'cid'] }), /"cid"/);
  await refused(select(file, { testSets: ['z'] }), /set "z"; expected one of x, y/);
  await refused(select(file, { trainSets: ['x'], testSets: ['y'] }), /only "ann"/);
  await refused(readProbe(scratch), /probe\.json: found no such file/);
});
