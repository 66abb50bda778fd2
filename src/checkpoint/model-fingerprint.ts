/** Tells models apart by their files. */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { UserError } from '../errors.ts';
import { EXPERTS_FOLDER } from './directory.ts';

/**
 * Of weights, tokenizer, configurations and experts: what is trained again under the same name is another model.
 * @throws UserError where the folder holds no model
 */
export async function modelFingerprint(directory: string): Promise<string> {
  const files = (await readdir(directory).catch(() => []))
    .filter((name) => /\.(json|safetensors)$/.test(name))
    .sort();
  if (!files.includes('config.json')) {
    throw new UserError(
      `${directory}: found no config.json; expected a Whisper model in Hugging Face layout`,
    );
  }
  const hash = createHash('sha256');
  const experts = (await readdir(join(directory, EXPERTS_FOLDER)).catch(() => [])).sort();
  files.push(...experts.map((name) => join(EXPERTS_FOLDER, name)));
  for (const name of files) {
    hash.update(`${name}\n`);
    for await (const bytes of createReadStream(join(directory, name))) hash.update(bytes);
  }
  return hash.digest('hex').slice(0, 16);
}
