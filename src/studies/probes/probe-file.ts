/** A trained probe on disk: `probe.json` says what it is, `head.safetensors` holds its weights. */
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import type { Weight } from '../../checkpoint/checkpoint.ts';
import { readFileEntries, readFloat32 } from '../../checkpoint/safetensors.ts';
import { writeSafetensors } from '../../checkpoint/safetensors-write.ts';
import { UserError } from '../../errors.ts';
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
  try {
    await mkdir(directory, { recursive: true });
    await writeFile(join(directory, 'probe.json'), `${JSON.stringify(probe, null, 2)}\n`);
  } catch (error) {
    throw new UserError(`${directory}: cannot be written: ${(error as Error).message}`);
  }
  await writeWeights(join(directory, 'head.safetensors'), head.weights);
}

/** @throws UserError where the directory holds no probe, or a damaged one */
export async function readProbe(directory: string): Promise<{ probe: ProbeSettings; head: Head }> {
  const file = join(directory, 'probe.json');
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch {
    throw new UserError(
      `${file}: found no such file; expected what "probe train --output ${directory}" wrote`,
    );
  }
  let probe: ProbeSettings;
  try {
    probe = settings.parse(JSON.parse(text));
  } catch {
    throw new UserError(`${file}: found something else; expected what "probe train" wrote`);
  }
  const { layers, width, labels } = probe;
  const shape: HeadShape = { kind: probe.head, layers, width, classes: labels.length };
  const weights = await readWeights(join(directory, 'head.safetensors'), headWeights(shape));
  return { probe, head: { shape, weights } };
}

/** Weights as float32, in one file. */
export function writeWeights(file: string, weights: ReadonlyMap<string, Weight>): Promise<void> {
  return writeSafetensors(
    file,
    [...weights].map(([name, { shape, data }]) => ({
      name,
      shape,
      dtype: 'F32',
      bytes: () => new Uint8Array(data.buffer, data.byteOffset, data.byteLength),
    })),
  );
}

/** @throws UserError where the file does not hold exactly these weights */
export async function readWeights(
  file: string,
  shapes: ReadonlyMap<string, readonly number[]>,
): Promise<Map<string, Weight>> {
  const weights = new Map<string, Weight>();
  for await (const { entry, data } of readFloat32(await readFileEntries(file))) {
    weights.set(entry.name, { shape: entry.shape, data });
  }
  for (const [name, shape] of shapes) {
    const found = weights.get(name)?.shape;
    if (found?.join() !== shape.join()) {
      throw new UserError(
        `${file}: found ${found ? `[${found}]` : 'no such weight'} as "${name}"; expected [${shape}]`,
      );
    }
  }
  return weights;
}
