/** Recordings that come with a checkout, or as a package of their own. */
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { UserError } from '../errors.ts';

export const embeddedSamples = fileURLToPath(new URL('../../samples', import.meta.url));

/**
 * Path of the manifest of the sample recordings: a checkout's, else that of the package `whisper-transfer-samples`
 * installed beside this one or in the working folder.
 * @throws {UserError} where neither is there: one line with the command that installs it.
 */
export function samplesManifest(): string {
  const manifest = join(embeddedSamples, 'manifest.tsv');
  if (existsSync(manifest)) return manifest;
  try {
    const paths = [fileURLToPath(new URL('.', import.meta.url)), process.cwd()];
    return createRequire(import.meta.url).resolve('whisper-transfer-samples/manifest.tsv', { paths });
  } catch {
    throw new UserError(
      'the recordings of the demo are a package of their own: npm install whisper-transfer-samples',
    );
  }
}
