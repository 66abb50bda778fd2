/** A speaker model on disk: `speaker.json`, and the perceptron's and the tuned encoder's weights in one safetensors file. */
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { whisperTensors } from '../../checkpoint/checkpoint.ts';
import { UserError } from '../../errors.ts';
import { encoderWeights } from '../../whisper/encoder.ts';
import type { WhisperModel } from '../../whisper/model.ts';
import { readWeights, writeWeights } from '../probes/probe-file.ts';
import { headShapes } from './embedder.ts';

const settings = z.object({
  /** Hash of the weights of the encoder that training began with. */
  encoder: z.string(),
  /** Whether the encoder's own weights are used, not those in the file. */
  frozen: z.boolean(),
});
const WEIGHTS = 'speaker.safetensors';

/** Makes the folder, before anything long begins. */
export async function prepareSpeakerFolder(directory: string): Promise<void> {
  try {
    await mkdir(directory, { recursive: true });
  } catch (error) {
    throw new UserError(`${directory}: cannot be written: ${(error as Error).message}`);
  }
}

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
  await writeWeights(join(directory, WEIGHTS), weights);
  await writeFile(join(directory, 'speaker.json'), `${JSON.stringify({ encoder, frozen }, null, 2)}\n`);
}

/** Puts a speaker model's weights into the model that it was trained from. @throws UserError where they do not fit */
export async function loadSpeaker(directory: string, model: WhisperModel): Promise<void> {
  const file = join(directory, 'speaker.json');
  let found: z.infer<typeof settings>;
  try {
    found = settings.parse(JSON.parse(await readFile(file, 'utf8')));
  } catch {
    throw new UserError(
      `${file}: found nothing that can be used; expected what "speaker train --output" wrote`,
    );
  }
  if ((await model.encoderFingerprint()) !== found.encoder)
    throw new UserError(
      `${directory}: found a speaker model of another encoder; expected --model as in training`,
    );
  await model.runtime.store(await readWeights(join(directory, WEIGHTS), shapes(model, found.frozen)));
  if (!found.frozen) await model.encoderChanged();
}
