import { expect, test } from 'vitest';
import { readAudio } from '../audio/audio-file.ts';
import { joinSamples } from '../audio/join-samples.ts';
import { FrameProbabilities } from '../audio/voice-activity.ts';
import { type Utterance, Utterances } from './utterances.ts';

const names = ['advanced_colors', 'algebra_by', 'algebra_minus'];
const clips = await Promise.all(names.map((name) => readAudio(`samples/gcompris/en/${name}.opus`)));
const pause = new Float32Array(1.5 * 16_000);
const stream = joinSamples([pause, ...clips.flatMap((clip) => [clip, pause])]);

async function heard(utterances: Utterances, samples: Float32Array, block: number): Promise<Utterance[]> {
  const found: Utterance[] = [];
  for (let at = 0; at < samples.length; at += block)
    found.push(...(await utterances.add(samples.subarray(at, at + block))));
  return found;
}

test('probabilities of speech are the same whether a stream comes in blocks or whole', async () => {
  const whole = new FrameProbabilities();
  await whole.add(stream);
  const streamed = new FrameProbabilities();
  const parts: Float32Array[] = [];
  for (let at = 0; at < stream.length; at += 777) {
    await streamed.add(stream.subarray(at, at + 777));
    parts.push(await streamed.take());
  }
  parts.push(await streamed.finish());
  expect(joinSamples(parts)).toEqual(await whole.finish());
});

test('sentences of a recording, parted by pauses, are utterances; half a second after the last word they have ended, long ones sooner', async () => {
  const utterances = new Utterances();
  const found = await heard(utterances, stream, 1600);
  expect(found).toHaveLength(clips.length);
  let at = pause.length;
  for (const [i, { start, end, endedAt, speechEnd }] of found.entries()) {
    const length = clips[i]!.length;
    expect(start).toBeGreaterThan(at - 8000);
    expect(end).toBeLessThan(at + length + 8000);
    expect(end! - start).toBeGreaterThan(0.7 * length);
    const silence = i === 0 ? 8000 : 5600;
    expect(endedAt! - speechEnd).toBeGreaterThanOrEqual(silence);
    expect(endedAt! - speechEnd).toBeLessThan(silence + 512);
    at += length + pause.length;
  }
  expect(found.map((one) => one.samples().length)).toEqual(found.map(({ start, end }) => end! - start));
});

test('blocks of any size find the same utterances, and the same samples of them', async () => {
  const places = (found: Utterance[]) => found.map(({ start, end, endedAt }) => [start, end, endedAt]);
  const one = await heard(new Utterances(), stream, 333);
  const other = await heard(new Utterances(), stream, 16_000);
  expect(places(one)).toEqual(places(other));
  expect(one.map((each) => each.samples())).toEqual(other.map((each) => each.samples()));
});

test('who speaks on is cut in a pause, after at most the longest time', async () => {
  const found = await heard(new Utterances({ silence: 3, longest: 6 }), stream, 1600);
  expect(found.length).toBeGreaterThan(2);
  for (const { start, end } of found.slice(0, -1)) expect(end! - start).toBeLessThanOrEqual(6 * 16_000 + 512);
  // In the pause between the first two sentences.
  const between = pause.length + clips[0]!.length;
  expect(found[0]!.end).toBeGreaterThan(between - 8000);
  expect(found[0]!.end).toBeLessThan(between + pause.length);
});

test('silence, and what is left out of a stream, are no utterances', async () => {
  const utterances = new Utterances();
  expect(await heard(utterances, new Float32Array(160_000), 1600)).toEqual([]);
  const [first] = await heard(utterances, clips[0]!, 1600);
  expect(first!.end).toBeUndefined();
  utterances.skip(80_000);
  expect(first!.end).toBeDefined();
  const [second] = await heard(utterances, joinSamples([pause, clips[1]!]), 1600);
  expect(second!.start).toBeGreaterThan(160_000 + clips[0]!.length + 80_000);
});
