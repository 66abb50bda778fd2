/** Fingerprint of a model by its files. */
import { join } from 'node:path';
import { UserError } from '../errors.ts';
import { Fingerprint } from '../files/fingerprint.ts';
import { namesIn } from '../files/read.ts';
import { ENGLISH_FOLDER, EXPERTS_FOLDER } from './directory.ts';

/**
 * Hash of weights, tokenizer, configurations, experts and the English half's model, so that a model retrained under the same name is another one.
 * @throws UserError where the folder holds no model
 */
export async function modelFingerprint(directory: string): Promise<string> {
  const files = (await namesIn(directory)).filter((name) => /\.(json|safetensors)$/.test(name));
  if (!files.includes('config.json')) {
    throw new UserError(
      `${directory}: found no config.json; expected a Whisper model in Hugging Face layout`,
    );
  }
  const hash = new Fingerprint();
  for (const folder of [EXPERTS_FOLDER, ENGLISH_FOLDER]) {
    for (const name of await namesIn(join(directory, folder))) files.push(join(folder, name));
  }
  for (const name of files) await hash.add(`${name}\n`).addFile(join(directory, name));
  return hash.hex(16);
}
