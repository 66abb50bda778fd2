/**
 * Experts on disk, beside the unchanged model that they belong to:
 *
 *     experts/experts.json      {"fr": {"gateWidth": 64, "part": "all"}, …}; without a part: of the decoder
 *     experts/fr.safetensors    the language's networks and gates, float16
 */
import { cp } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { floatBytes, type Weight } from '../checkpoint/checkpoint.ts';
import type { WhisperDimensions } from '../checkpoint/dimensions.ts';
import { EXPERTS_FOLDER, readJsonIfPresent } from '../checkpoint/directory.ts';
import { readFileEntries, readFloat32 } from '../checkpoint/safetensors.ts';
import { writeSafetensors } from '../checkpoint/safetensors-write.ts';
import { UserError } from '../errors.ts';
import { namesIn } from '../files/read.ts';
import { createFolder, writeWhole } from '../files/write-whole.ts';
import { expertPrefix, expertTensors } from './experts.ts';
import type { ExpertSet } from './variant.ts';

const LIST = 'experts.json';

const schema = z.record(
  z.string().regex(/^[a-z]{2,3}$/, 'expected language codes'),
  z.strictObject({
    gateWidth: z.int().min(1),
    part: z.enum(['encoder', 'decoder', 'all']).default('decoder'),
  }),
);

/**
 * @returns the sets of a model directory and their weights by name; none where it has no experts
 * @throws UserError where the files are incomplete, or do not fit a model of these dimensions
 */
export async function readExperts(
  directory: string,
  dimensions: WhisperDimensions,
): Promise<{ sets: ExpertSet[]; weights: Map<string, Weight> }> {
  const folder = join(directory, EXPERTS_FOLDER);
  const names = await namesIn(folder);
  const file = join(folder, LIST);
  const json = await readJsonIfPresent(file);
  if (json === undefined) {
    if (names.length > 0) throw new UserError(`${folder}: found ${names[0]}, but no ${LIST}`);
    return { sets: [], weights: new Map() };
  }
  const { data, error } = schema.safeParse(json);
  if (!data) {
    const { path, message } = error.issues[0]!;
    throw new UserError(`${file}: "${path.join('.')}": ${message}`);
  }
  const sets = Object.entries(data).map(([language, set]) => ({ language, ...set }));
  const weights = new Map<string, Weight>();
  for (const set of sets) {
    for (const [name, weight] of await readSet(join(folder, `${set.language}.safetensors`), set, dimensions))
      weights.set(expertPrefix(set.language) + name, weight);
  }
  return { sets, weights };
}

async function readSet(
  file: string,
  set: ExpertSet,
  dimensions: WhisperDimensions,
): Promise<Map<string, Weight>> {
  const expected = expertTensors(dimensions, set);
  const read = new Map<string, Weight>();
  for await (const { entry, data } of readFloat32(await readFileEntries(file))) {
    const shape = expected.get(entry.name);
    if (shape?.join() !== entry.shape.join()) {
      throw new UserError(
        `${file}: found tensor "${entry.name}" [${entry.shape}]; expected ` +
          (shape ? `[${shape}] as this model and ${LIST} have it` : "no such one beside this model's layers"),
      );
    }
    read.set(entry.name, { shape, data });
  }
  const missing = [...expected.keys()].filter((name) => !read.has(name));
  if (missing.length > 0)
    throw new UserError(`${file}: ${missing.length} tensors are missing, the first "${missing[0]}"`);
  return read;
}

/** Writes experts into an existing model directory. @param read gives weights by name */
export async function writeExperts(
  directory: string,
  dimensions: WhisperDimensions,
  sets: readonly ExpertSet[],
  read: (names: readonly string[]) => Promise<readonly { readonly data: unknown }[]>,
): Promise<void> {
  if (sets.length === 0) return;
  const folder = join(directory, EXPERTS_FOLDER);
  await createFolder(folder);
  for (const set of sets) {
    const { language } = set;
    const shapes = [...expertTensors(dimensions, set)];
    const values = await read(shapes.map(([name]) => expertPrefix(language) + name));
    const tensors = shapes.map(([name, shape], i) => {
      const data = values[i]!.data as Float32Array;
      return { name, shape, dtype: 'F16' as const, bytes: () => floatBytes(name, data, 'float16') };
    });
    await writeSafetensors(join(folder, `${language}.safetensors`), tensors);
  }
  const list = Object.fromEntries(sets.map(({ language, ...set }) => [language, set]));
  await writeWhole(join(folder, LIST), `${JSON.stringify(list)}\n`);
}

/** Copies the experts of one model directory, if any, into another. */
export async function copyExperts(from: string, to: string): Promise<void> {
  if ((await readJsonIfPresent(join(from, EXPERTS_FOLDER, LIST))) === undefined) return;
  await cp(join(from, EXPERTS_FOLDER), join(to, EXPERTS_FOLDER), { recursive: true });
}
