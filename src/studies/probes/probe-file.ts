/** A trained probe on disk: settings in `probe.json`, weights in `head.safetensors`. */
import { join } from 'node:path';
import { z } from 'zod';
import { readFloat32Weights, writeFloat32Weights } from '../../checkpoint/float32-weights.ts';
import { UserError } from '../../errors.ts';
import { readJson } from '../../files/read.ts';
import { writeJson } from '../../files/write-whole.ts';
import { HEADS, type HeadShape, headWeights } from './head.ts';
import type { Head } from './probe.ts';

const settings = z.object({
  /** Column of the manifest. */
  label: z.string(),
  labels: z.array(z.string()).min(2),
  head: z.enum(HEADS),
  layers: z.number().int().positive(),
  width: z.number().int().positive(),
  window: z.enum(['fit', 'full']),
  /** Hash of the encoder's weights: another encoder's features mean something else. */
  encoder: z.string(),
});
export type ProbeSettings = z.infer<typeof settings>;

export async function writeProbe(directory: string, probe: ProbeSettings, head: Head): Promise<void> {
  await writeJson(join(directory, 'probe.json'), probe);
  await writeFloat32Weights(join(directory, 'head.safetensors'), head.weights);
}

/** Reads a probe. @throws UserError where the directory holds none, or a damaged one */
export async function readProbe(directory: string): Promise<{ probe: ProbeSettings; head: Head }> {
  const file = join(directory, 'probe.json');
  const expected = `what "probe train --output ${directory}" wrote`;
  const { data: probe } = settings.safeParse(await readJson(file, expected));
  if (!probe) throw new UserError(`${file}: found something else; expected ${expected}`);
  const { layers, width, labels } = probe;
  const shape: HeadShape = { kind: probe.head, layers, width, classes: labels.length };
  const weights = await readFloat32Weights(join(directory, 'head.safetensors'), headWeights(shape));
  return { probe, head: { shape, weights } };
}
