/** Speaker embeddings on a tiny random Whisper: stretching, batches, training, files, mistakes. */
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { UserError } from '../../errors.ts';
import { detPlot, probit } from '../../report/det-plot.ts';
import { embedClips } from '../../speakers/embedder.ts';
import { loadSpeaker, writeSpeaker } from '../../speakers/speaker-file.ts';
import { writeTinyModel } from '../../testing/tiny-model.ts';
import { WhisperModel } from '../../whisper/model.ts';
import { runSpeakerTraining } from './run.ts';
import { timeStretch } from './time-stretch.ts';
import { defaultSpeaker, pairMasks, speakerBatches, trainSpeaker } from './train.ts';

const scratch = mkdtempSync(join(tmpdir(), 'speaker-'));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

/** A buzz of a given pitch, as a stand-in for a voice. */
const voice = (pitch: number, length: number, phase = 0) =>
  Float32Array.from({ length }, (_, i) =>
    [1, 2, 3].reduce(
      (sum, k) => sum + (0.2 / k) * Math.sin((2 * Math.PI * k * pitch * i) / 16_000 + phase * k),
      0,
    ),
  );

/** Energy of a sine of this frequency in the clip, as a share of the clip's. */
function share(samples: Float32Array, frequency: number): number {
  let [re, im, all] = [0, 0, 0];
  samples.forEach((value, i) => {
    re += value * Math.cos((2 * Math.PI * frequency * i) / 16_000);
    im += value * Math.sin((2 * Math.PI * frequency * i) / 16_000);
    all += value * value;
  });
  return (2 * (re * re + im * im)) / (all * samples.length);
}

test.each([1.1, 0.8, 1])('stretched by %d, speech is shorter or longer and keeps its pitch', (factor) => {
  const clip = voice(200, 24_000);
  const stretched = timeStretch(clip, factor);
  expect(stretched.length).toBe(Math.round(24_000 / factor));
  expect(share(stretched, 200)).toBeGreaterThan(0.85 * share(clip, 200));
  expect(share(stretched, 200 * factor)).toBeLessThan(factor === 1 ? 1 : 0.05);
  if (factor === 1) clip.forEach((value, i) => expect(stretched[i]).toBeCloseTo(value, 4));
  expect(timeStretch(new Float32Array(0), factor).length).toBe(0);
});

test('batches hold several speakers with equally many clips, never a clip twice, and repeat with the seed', () => {
  const speakers = Array.from({ length: 31 }, (_, i) => 'abcde'[i % 5]!);
  const [one, two] = [speakerBatches(speakers, 16, 3), speakerBatches(speakers, 16, 3)];
  for (let step = 0; step < 20; step++) {
    const batch = one.next().value;
    expect(two.next().value).toEqual(batch);
    expect(new Set(batch).size).toBe(16);
    const counts = new Map<string, number>();
    for (const i of batch) counts.set(speakers[i]!, (counts.get(speakers[i]!) ?? 0) + 1);
    expect([...counts.values()]).toEqual([4, 4, 4, 4]);
  }
  expect([...pairMasks(['a', 'a', 'b']).same.data].map(Number)).toEqual([0, 1, 0, 1, 0, 0, 0, 0, 0]);
});

const clips = [120, 180, 260].flatMap((pitch) =>
  [0, 1, 2].map((phase) => ({
    samples: voice(pitch, 6_000 + 700 * phase, phase),
    speaker: `voice ${pitch}`,
  })),
);

async function trained(frozen: boolean, folder?: string) {
  const directory = join(scratch, 'tiny');
  await writeTinyModel(directory);
  const model = await WhisperModel.load(directory, { threads: 1 });
  try {
    const encoder = await model.encoderFingerprint();
    const losses = await trainSpeaker(model, clips, {
      ...{ ...defaultSpeaker, epochs: 6, batchSize: 6, learningRate: 3e-3, seconds: 0.4, frozen },
    });
    if (folder) {
      mkdirSync(folder);
      await writeSpeaker(folder, model, { encoder, frozen });
    }
    const samples = clips.map((clip) => clip.samples);
    return {
      losses,
      embeddings: await embedClips(model, samples, true),
      moved: encoder !== (await model.encoderFingerprint()),
    };
  } finally {
    await model.close();
  }
}

test.each([
  true,
  false,
])('training (encoder frozen: %s) lowers the loss, repeats itself, and is read back', async (frozen) => {
  const folder = join(scratch, `speaker ${frozen}`);
  const one = await trained(frozen, folder);
  const two = await trained(frozen);
  expect(two).toEqual(one);
  expect(one.moved).toBe(!frozen);
  expect(one.losses.at(-1)).toBeLessThan(one.losses[0]! - 0.2);
  const model = await WhisperModel.load(join(scratch, 'tiny'), { threads: 1 });
  await loadSpeaker(folder, model);
  const samples = clips.map((clip) => clip.samples);
  expect(await embedClips(model, samples, true)).toEqual(one.embeddings);
  await model.close();
});

test.each([
  true,
  false,
])('a run that is stopped and resumed (encoder frozen: %s) ends as one that is not', async (frozen) => {
  await writeTinyModel(join(scratch, 'tiny'));
  const options = { ...defaultSpeaker, epochs: 6, batchSize: 6, learningRate: 3e-3, seconds: 0.4, frozen };
  const run = async (output: string, stopAt: number, resume = false) => {
    const model = await WhisperModel.load(join(scratch, 'tiny'), { threads: 1 });
    let begins = -1;
    try {
      const losses = await runSpeakerTraining(model, clips, {
        ...{ ...options, output, resume, checkpointSeconds: 0 },
        note: (line) => expect.fail(line),
        onStart: (step) => {
          begins = step;
        },
        onStep: (step) => (step === stopAt ? 'stop' : undefined),
      });
      return { begins, losses };
    } finally {
      await model.close();
    }
  };
  const [whole, broken] = ['whole', 'broken'].map((name) => join(scratch, `${name} ${frozen}`));
  const { losses } = await run(whole!, -1);
  expect(await run(broken!, 5)).toEqual({ begins: 0, losses: undefined });
  await expect(run(broken!, -1)).rejects.toThrow(/up to step 5; expected --resume/);
  expect(await run(broken!, -1, true)).toEqual({ begins: 5, losses });
  const weights = (folder: string) => readFileSync(join(folder, 'speaker.safetensors'));
  expect(weights(broken!).equals(weights(whole!))).toBe(true);
  expect(existsSync(join(broken!, 'checkpoints'))).toBe(false);
});

test('one speaker, or one with a single clip, is refused', async () => {
  const directory = join(scratch, 'refused');
  await writeTinyModel(directory);
  const model = await WhisperModel.load(directory, { threads: 1 });
  await expect(trainSpeaker(model, clips.slice(0, 3), defaultSpeaker)).rejects.toThrow(UserError);
  await expect(trainSpeaker(model, clips.slice(0, 4), defaultSpeaker)).rejects.toThrow(
    /"voice 180": found 1 clip/,
  );
  await expect(loadSpeaker(scratch, model)).rejects.toThrow(/speaker\.json/);
  await model.close();
});

test('the DET plot’s scale is the inverse of the normal distribution', () => {
  // Φ(1) and others, from tables.
  for (const [p, z] of [
    [0.5, 0],
    [0.8413447460685429, 1],
    [0.001349898031630095, -3],
    [0.9986501019683699, 3],
  ])
    expect(probit(p!)).toBeCloseTo(z!, 7);
  const curve = [
    { falseAlarm: 0, miss: 1 },
    { falseAlarm: 0.1, miss: 0.1 },
    { falseAlarm: 1, miss: 0 },
  ];
  expect(detPlot('DET', curve)).not.toMatch(/NaN|Infinity/);
});
