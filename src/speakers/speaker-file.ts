/** A speaker model on disk: `speaker.json`, and the perceptron's and the tuned encoder's weights in one safetensors file. */
import { join } from 'node:path';
import { z } from 'zod';
import { whisperTensors } from '../checkpoint/checkpoint.ts';
import { readFloat32Weights, writeFloat32Weights } from '../checkpoint/float32-weights.ts';
import { UserError } from '../errors.ts';
import { readJson } from '../files/read.ts';
import { writeJson } from '../files/write-whole.ts';
import { encoderWeights } from '../whisper/encoder.ts';
import type { WhisperModel } from '../whisper/model.ts';
import { headShapes } from './embedder.ts';

const settings = z.object({
  /** Hash of the weights of the encoder that training began with. */
  encoder: z.string(),
  /** Whether the encoder's own weights are used, not those in the file. */
  frozen: z.boolean(),
});
const WEIGHTS = 'speaker.safetensors';

function shapes({ dimensions }: WhisperModel, frozen: boolean): Map<string, readonly number[]> {
  const all = whisperTensors(dimensions);
  const encoder = frozen ? [] : encoderWeights(dimensions).map((name) => [name, all.get(name)!] as const);
  return new Map([...headShapes(dimensions.width), ...encoder]);
}

/** @param encoder fingerprint of the encoder before training */
export async function writeSpeaker(
  directory: string,
  model: WhisperModel,
  { encoder, frozen }: { encoder: string; frozen: boolean },
): Promise<void> {
  const names = [...shapes(model, frozen).keys()];
  const values = await model.runtime.read(names);
  const weights = new Map(
    names.map((name, i) => [name, { shape: values[i]!.shape, data: values[i]!.data as Float32Array }]),
  );
  await writeFloat32Weights(join(directory, WEIGHTS), weights);
  await writeJson(join(directory, 'speaker.json'), { encoder, frozen });
}

/** Puts a speaker model's weights into the model that it was trained from. @throws UserError where they do not fit */
export async function loadSpeaker(directory: string, model: WhisperModel): Promise<void> {
  const file = join(directory, 'speaker.json');
  const expected = 'what "speaker train --output" wrote';
  const { data: found } = settings.safeParse(await readJson(file, expected));
  if (!found) throw new UserError(`${file}: found something else; expected ${expected}`);
  if ((await model.encoderFingerprint()) !== found.encoder)
    throw new UserError(
      `${directory}: found a speaker model of another encoder; expected --model as in training`,
    );
  await model.runtime.store(await readFloat32Weights(join(directory, WEIGHTS), shapes(model, found.frozen)));
  if (!found.frozen) await model.encoderChanged();
}
