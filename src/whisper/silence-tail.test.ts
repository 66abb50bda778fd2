import { beforeAll, expect, test } from 'vitest';
import { readAudio } from '../audio/audio-file.ts';
import { logMel } from '../audio/log-mel.ts';
import { float32, int64 } from '../backend/runtime.ts';
import { baseModel } from '../testing/base-model.ts';
import { type EncodedClip, frameValues } from './encoded-clip.ts';
import { noSilenceFeeds } from './mel-batch.ts';
import type { WhisperModel } from './model.ts';
import { SilenceTails } from './silence-tail.ts';

let model: WhisperModel;
beforeAll(async () => {
  model = await baseModel();
});

/** Mean cosine of the clip's own frames with those of another encoding of it. */
function likeness(a: EncodedClip, b: EncodedClip): number {
  const [x, y] = [frameValues(a), frameValues(b)];
  let total = 0;
  for (let t = 0; t < a.length; t++) {
    let [xy, xx, yy] = [0, 0, 0];
    for (let i = t * a.width; i < (t + 1) * a.width; i++) {
      xy += x[i]! * y[i]!;
      xx += x[i]! ** 2;
      yy += y[i]! ** 2;
    }
    total += xy / Math.sqrt(xx * yy);
  }
  return total / a.length;
}

test('silence in the encoder’s layers brings a fitted window’s frames nearer to the full window’s', async () => {
  const samples = await readAudio(
    new URL('../../samples/gcompris/en/advanced_colors.opus', import.meta.url).pathname,
  );
  const [full] = await model.encode([samples], 'full');
  const [fit] = await model.encode([samples], 'fit');
  const { melBins, width } = model.dimensions;
  const { fetched } = await model.runtime.run(
    await model.encoderProgram('fit'),
    {
      mel: float32(logMel(samples, melBins, 2 * fit!.window), [1, melBins, 2 * fit!.window]),
      positions: int64(Array.from({ length: fit!.window }, (_, i) => i)),
      ...noSilenceFeeds(model.dimensions, 1, fit!.window),
    },
    { fetch: ['frames'] },
  );
  const alone = { ...fit!, frames: fetched.frames!.data as Float32Array, width };
  const [near, far] = [1 - likeness(fit!, full!), 1 - likeness(alone, full!)];
  expect(near).toBeLessThan(far / 1.5);
});

test('full windows are the same whichever encoder is loaded', async () => {
  const clip = new Float32Array(8000).map((_, i) => Math.sin(i / 9) / 4);
  const [beside] = await model.encode([clip], 'full');
  await model.releaseEncoder();
  const [alone] = await model.encode([clip], 'full');
  const [a, b] = [frameValues(alone!), frameValues(beside!)];
  expect(Buffer.compare(Buffer.from(a.buffer), Buffer.from(b.buffer))).toBe(0);
});

test('stretches of silence cover all that is left, and weigh by their length', () => {
  const layer = Float32Array.from({ length: 200 }, (_, i) => i >> 1);
  const tails = new SilenceTails({ output: layer, layers: [layer] }, 2);
  const { layers, bias } = tails.inEncoder(20);
  const weights = bias.map(Math.exp);
  expect(weights.reduce((a, b) => a + b, 0)).toBeCloseTo(80, 3);
  const mean = weights.reduce((sum, weight, i) => sum + weight * layers[0]![2 * i]!, 0) / 80;
  expect(mean).toBeCloseTo((20 + 99) / 2, 3);
  expect(tails.inEncoder(95).bias).toHaveLength(0);
});
