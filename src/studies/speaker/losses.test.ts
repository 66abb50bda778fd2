/** Triplet and NT-Xent with their gradients against PyTorch (scripts/golden/speaker_losses.py). */

import { readFileSync } from 'node:fs';
import { afterAll, expect, test } from 'vitest';
import { float32, type HostTensor, Runtime } from '../../backend/runtime.ts';
import { backward } from '../../graph/backward.ts';
import { Graph } from '../../graph/graph.ts';
import { unit } from '../../testing/tiny-model.ts';
import { batchHardTriplet, ntXent, speakerLoss } from './losses.ts';

const golden = JSON.parse(readFileSync(new URL('./golden/losses.json', import.meta.url), 'utf8')) as {
  speakers: number[];
  width: number;
  losses: Record<'triplet' | 'noise' | 'stretch' | 'total', number>;
  gradients: Record<'clean' | 'noise' | 'stretch', number[]>;
};
const runtime = new Runtime({ threads: 1 });
afterAll(() => runtime.close());

const VIEWS = ['clean', 'noise', 'stretch'] as const;
const { speakers, width } = golden;
const count = speakers.length;

function sameAndOther(): Record<'same' | 'other', HostTensor> {
  const pairs = speakers.flatMap((a, i) => speakers.map((b, j) => ({ equal: a === b, itself: i === j })));
  const mask = (of: (pair: { equal: boolean; itself: boolean }) => boolean): HostTensor =>
    float32(
      Float32Array.from(pairs, (pair) => Number(of(pair))),
      [count, count],
    );
  return { same: mask(({ equal, itself }) => equal && !itself), other: mask(({ equal }) => !equal) };
}

test('losses and gradients equal PyTorch’s', async () => {
  const graph = new Graph();
  const [clean, noise, stretch] = VIEWS.map((name) => graph.input(name, [count, width]));
  const same = graph.input('same', [count, count]);
  const other = graph.input('other', [count, count]);
  const total = speakerLoss({ clean: clean!, noise: noise!, stretch: stretch! }, same, other);
  graph.output('total', total);
  graph.output('triplet', batchHardTriplet(clean!, same, other));
  graph.output('noise loss', ntXent(clean!, noise!));
  graph.output('stretch loss', ntXent(clean!, stretch!));
  backward(total, [clean!, noise!, stretch!]).forEach((g, i) => graph.output(`d ${VIEWS[i]}`, g));
  const program = await runtime.load(graph, { builtIn: () => true });
  const frames = VIEWS.map((name, v) => [
    name,
    float32(
      Float32Array.from({ length: count * width }, (_, i) => (unit(i, v + 1) - 0.5) * 3.4),
      [count, width],
    ),
  ]);
  const feeds = { ...Object.fromEntries(frames), ...sameAndOther() };
  const { fetched } = await runtime.run(program, feeds, { fetch: program.outputs });
  const value = (name: string) => fetched[name]!.data as Float32Array;
  expect(value('total')[0]).toBeCloseTo(golden.losses.total, 5);
  expect(value('triplet')[0]).toBeCloseTo(golden.losses.triplet, 5);
  expect(value('noise loss')[0]).toBeCloseTo(golden.losses.noise, 5);
  expect(value('stretch loss')[0]).toBeCloseTo(golden.losses.stretch, 5);
  for (const name of VIEWS)
    golden.gradients[name].forEach((want, i) => expect(value(`d ${name}`)[i]).toBeCloseTo(want, 5));
});

test('clips that lie in one place have finite gradients', async () => {
  const graph = new Graph();
  const clean = graph.input('clean', [count, width]);
  const same = graph.input('same', [count, count]);
  const loss = speakerLoss(
    { clean, noise: clean, stretch: clean },
    same,
    graph.input('other', [count, count]),
  );
  graph.output('loss', loss);
  graph.output('gradient', backward(loss, [clean])[0]!);
  const program = await runtime.load(graph, { builtIn: () => true });
  const feeds = { clean: float32(new Float32Array(count * width), [count, width]), ...sameAndOther() };
  const { fetched } = await runtime.run(program, feeds, { fetch: ['loss', 'gradient'] });
  // Margin 1, and log(2·batch − 1): all others are as near as the other view.
  expect((fetched.loss!.data as Float32Array)[0]).toBeCloseTo(1 + Math.log(2 * count - 1), 5);
  expect((fetched.gradient!.data as Float32Array).every(Number.isFinite)).toBe(true);
});
