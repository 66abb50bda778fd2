/**
 * Experts in encoder and decoder: against PyTorch (scripts/golden/expert_model.py); trained from recordings by a recipe, and
 * used by every command that knows the language spoken.
 */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { readAudio } from '../audio/audio-file.ts';
import { wavBytes } from '../audio/wav-write.ts';
import { float32, type HostTensor, Runtime, reportOutput } from '../backend/runtime.ts';
import { decode } from '../decoding/decode.ts';
import { transcribeFiles } from '../decoding/transcribe-files.ts';
import type { TranscribeOptions } from '../decoding/transcribe-options.ts';
import { EncoderOutputs } from '../features/encoder-outputs.ts';
import { cosine, fetchGradients } from '../testing/golden-batch.ts';
import { pseudo, tinyDimensions, tinyWeights, unit, writeTinyModel } from '../testing/tiny-model.ts';
import { type EncodedClip, frameValues } from '../whisper/encoded-clip.ts';
import { encoderGraph } from '../whisper/encoder.ts';
import { expertTensors, gateNoise } from '../whisper/experts.ts';
import { noSilenceFeeds } from '../whisper/mel-batch.ts';
import { WhisperModel } from '../whisper/model.ts';
import { type ReadyExample, trainingBatch } from './batches.ts';
import { describeGates, withGates } from './experts.ts';
import { crossEntropy } from './objective.ts';
import { train } from './train-recipe.ts';
import { tunedWeights, tuningGraph } from './tuned-weights.ts';

const golden = JSON.parse(readFileSync(new URL('./golden/experts.json', import.meta.url), 'utf8'));
const norm = (x: ArrayLike<number>) => Math.sqrt(Array.from(x).reduce((sum, v) => sum + v * v, 0));
const scratch = mkdtempSync(join(tmpdir(), 'encoder-experts-'));
const file = (name: string) => join(scratch, name);
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

/** Whether found values are the golden norm and samples. */
function expectSampled(
  found: ArrayLike<number>,
  [wantedNorm, samples]: [number, number[]],
  name: string,
): void {
  expect(norm(found) / wantedNorm, `norm of ${name}`).toBeCloseTo(1, 4);
  const own = samples.map((_, k) => found[Math.floor(unit(k, 101) * found.length)]!);
  if (samples.some((value) => value !== 0)) expect(cosine(own, samples), name).toBeGreaterThan(0.9999);
}

test('loss, gates, every gradient through encoder and decoder, and the encoder at test equal PyTorch’s', async () => {
  const dimensions = { ...tinyDimensions, vocabulary: 96, audioPositions: golden.positions };
  const set = { language: 'fr', part: 'all', gateWidth: golden.gateWidth } as const;
  const tuning = { part: 'all', embedding: 'frozen', experts: set } as const;
  const runtime = new Runtime({ threads: 1 });
  await runtime.store(tinyWeights(dimensions, 1000));
  const shapes = expertTensors(dimensions, set);
  const order = [...shapes.keys()].sort();
  await runtime.store(
    order.map((name, k) => {
      const shape = shapes.get(name)!;
      const width = shape.length === 1 ? 0.4 : 3.4 / Math.sqrt(shape[1]!);
      const count = shape.reduce((a, b) => a * b, 1);
      return [`experts.fr.${name}`, { shape, data: pseudo(count, 4000 + k, width) }];
    }),
  );
  const window = golden.positions;
  const mels = pseudo(3 * 80 * 2 * window, 41, 3);
  const examples = (golden.texts as number[][]).map(
    (tokens, i): ReadyExample => ({
      clip: { mel: mels.slice(i * 160 * window, (i + 1) * 160 * window), window, length: golden.lengths[i] },
      tokens,
      promptLength: golden.promptLength,
    }),
  );
  const objective = withGates(crossEntropy, dimensions, tuning, 1);
  const names = tunedWeights(dimensions, tuning);
  const graph = tuningGraph(dimensions, tuning, { objective });
  fetchGradients(graph, names);
  const program = await runtime.load(graph, { builtIn: () => false });
  const { feeds } = trainingBatch(examples, undefined, 95);
  const others = await objective.feeds!({ examples, feeds, step: 1, steps: 1 });
  const noise = (golden.networks as string[]).map((network, k): [string, HostTensor] => {
    const { shape } = others[gateNoise(network)]!;
    return [
      gateNoise(network),
      float32(
        pseudo(
          shape.reduce((a, b) => a * b, 1),
          4500 + k,
          6,
        ),
        shape,
      ),
    ];
  });
  const silence = noSilenceFeeds(dimensions, 3, window);
  const alone = {
    ...silence,
    tail: float32(new Float32Array(0), [3, 0, 16]),
  };
  const { fetched } = await runtime.run(
    program,
    { ...feeds, ...alone, ...others, ...Object.fromEntries(noise) },
    { fetch: program.outputs },
  );
  const number = (name: string) => (fetched[name]!.data as Float32Array)[0]!;
  expect(number('loss') / golden.loss).toBeCloseTo(1, 5);
  expect(number(reportOutput('gate')) / golden.gate).toBeCloseTo(1, 5);
  for (const [network, share] of Object.entries(golden.open as Record<string, number>)) {
    const layer = network.replace('model.', '').replace('layers.', '');
    expect(number(reportOutput(`openGates.${layer}`)), layer).toBeCloseTo(share, 5);
  }
  expect(Object.keys(golden.gradients)).toHaveLength(names.length);
  for (const [name, wanted] of Object.entries(golden.gradients as Record<string, [number, number[]]>))
    expectSampled(fetched[`d:experts.fr.${name}`]!.data as Float32Array, wanted, name);

  const encoder = await runtime.load(encoderGraph(dimensions, true, { experts: { ...set, gate: 'hard' } }), {
    builtIn: () => true,
  });
  const { mel, audioPositions } = feeds;
  const { fetched: encoded } = await runtime.run(
    encoder,
    { mel: mel!, positions: audioPositions!, ...silence },
    { fetch: ['frames'] },
  );
  expectSampled(encoded.frames!.data as Float32Array, golden.hardFrames, 'frames');
  await runtime.close();
});

let base: WhisperModel;
let trained: WhisperModel;
beforeAll(async () => {
  await writeTinyModel(file('tiny'));
  base = await WhisperModel.load(file('tiny'), { threads: 1 });
  mkdirSync(file('speech'));
  const rows = ['fr', 'fr', 'fr', 'de'].map((language, i) => {
    writeFileSync(file(`speech/${i}.wav`), wavBytes(pseudo(16_000 + 1600 * i, 90 + i, 0.8)));
    return [`speech/${i}.wav`, language, i < 2 ? 'train' : 'dev', `k${i}`, `deux mots ${i}`].join('\t');
  });
  writeFileSync(file('manifest.tsv'), `${['audio\tlang\tset\tkey\ttext_zh', ...rows].join('\n')}\n`);
});
afterAll(async () => {
  await base?.close();
  await trained?.close();
});

const recipe = (output: string) => ({
  model: file('tiny'),
  output: file(output),
  dtype: 'float32' as const,
  target: 'zh',
  data: { corpora: [{ manifest: file('manifest.tsv'), set: 'train' }] },
  tune: { part: 'all' as const, experts: { languages: ['fr'], gateWidth: 4 } },
  optimizer: { steps: 6, batchSize: 2, learningRate: 0.03, warmup: 1 },
  dev: { set: 'dev', every: 3 },
  checkpointEvery: 3,
});

test('a recipe trains them from recordings, tells the gates of each layer, and a stopped run ends the same to the bit', async () => {
  const notes: string[] = [];
  const whole = await train(recipe('whole'), { onNote: (note) => notes.push(note) });
  expect(whole.reports.at(-1)!.loss).toBeLessThan(whole.reports[0]!.loss);
  expect(
    notes.filter((note) =>
      /^step [36]: gates open at test: encoder \d+ %, decoder \d+ \d+ %; mean/.test(note),
    ),
  ).toHaveLength(2);
  expect(readFileSync(file('whole/report.html'), 'utf8')).toContain('Gates open at test');
  expect(
    describeGates(
      new Map([
        ['encoder.0', 0.5],
        ['decoder.0', 1],
        ['decoder.1', 0],
      ]),
    ),
  ).toBe('encoder 50 %, decoder 100 0 %; mean 50 %');
  await train(recipe('halves'), { onStep: ({ step }) => (step === 3 ? 'stop' : undefined) });
  await train(recipe('halves'), { resume: true });
  const bytes = (name: string) => readFileSync(file(`${name}/experts/fr.safetensors`));
  expect(bytes('halves').equals(bytes('whole'))).toBe(true);
  expect(JSON.parse(readFileSync(file('whole/experts/experts.json'), 'utf8'))).toEqual({
    fr: { part: 'all', gateWidth: 4 },
  });
});

test('each clip is encoded by its language’s experts; other languages as before to the bit; the cache keeps both apart', async () => {
  trained = await WhisperModel.load(file('whole'), { threads: 1 });
  const sounds = [0, 1].map((i) => pseudo(16_000 + 1600 * i, 90 + i, 0.8));
  const frames = (clips: readonly EncodedClip[]) => clips.map((clip) => frameValues(clip));
  const plain = frames(await base.encode(sounds, 'fit'));
  expect(frames(await trained.encode(sounds, 'fit'))).toEqual(plain);
  for (const window of ['fit', 'full'] as const) {
    const before = frames(await base.encode(sounds, window));
    const mixed = frames(await trained.encode(sounds, window, { languages: ['fr', 'de'] }));
    expect(mixed[0]).not.toEqual(before[0]);
    expect(mixed[1]).toEqual(before[1]);
  }
  expect(await trained.encoderFingerprint()).toBe(await base.encoderFingerprint());

  const outputs = await EncoderOutputs.open(trained, { window: 'fit', cache: file('cache') });
  const read = async (language?: string) =>
    (await outputs.read([{ files: [file('speech/0.wav')], language }]))[0]!;
  const [shared, own] = [await read(), await read('fr')];
  expect(frameValues(own)).not.toEqual(frameValues(shared));
  expect(await read()).toEqual(shared);
  expect(await read('fr')).toEqual(own);
  expect(await read('de')).toEqual(shared);
});

test('transcription: a language that is named or detected is heard by its experts, --experts off by none', async () => {
  const audio = fileURLToPath(new URL('../../samples/gcompris/en/algebra_by.opus', import.meta.url));
  const options = { task: 'transcribe', maxTokens: 8, window: 'full' } as const;
  const text = async (model: WhisperModel, own: Partial<TranscribeOptions>) => {
    for await (const one of transcribeFiles(model, [{ audio }], { ...options, ...own })) {
      if ('error' in one) throw new Error(one.error);
      return { language: one.language, tokens: one.segments.flatMap(({ tokens }) => tokens) };
    }
    throw new Error('no transcript');
  };
  // What it should be: encoded and decoded by the same experts.
  const sound = await readAudio(audio);
  const prompts = [trained.tokens.withoutTimestamps(trained.tokens.prompt('fr', 'transcribe'))];
  const clips = await trained.encode([sound], 'full', { languages: ['fr'] });
  const [expected] = await decode(trained, clips, { prompts, maxTokens: 8 });
  const named = await text(trained, { from: 'fr' });
  expect(named.tokens.length).toBeGreaterThan(0);
  expect(named.tokens).not.toEqual((await text(base, { from: 'fr' })).tokens);
  expect(named.tokens).toEqual(expected!.tokens);
  expect(await text(trained, { from: 'fr', experts: false })).toEqual(await text(base, { from: 'fr' }));
  expect(await text(trained, { from: 'de' })).toEqual(await text(base, { from: 'de' }));
  // The shared encoder detects a language; then its experts hear the clip.
  const { language } = await text(base, {});
  const known = trained.experts.get('fr')!;
  const names = [...expertTensors(trained.dimensions, known).keys()];
  const weights = await trained.runtime.read(names.map((name) => `experts.fr.${name}`));
  await trained.runtime.store(
    names.map((name, i) => [
      `experts.${language}.${name}`,
      { shape: weights[i]!.shape, data: (weights[i]!.data as Float32Array).slice() },
    ]),
  );
  trained.experts.set(language, { ...known, language });
  expect(await text(trained, {})).toEqual(await text(trained, { from: language }));
  expect(await text(trained, {})).not.toEqual(await text(base, {}));
});
