/**
 * The English half of a model that translates English first: the model as it was before that training, in the folder
 * `english`. Training on English speech alone makes a decoder transcribe where it is to translate; what it was stays
 * able to translate from all its languages.
 */
import { chmod, copyFile, mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { ENGLISH_FOLDER } from '../checkpoint/directory.ts';
import { exists, namesIn } from '../files/read.ts';
import { replaceWhole, writing } from '../files/write-whole.ts';

/** The directory of the English half's model, if there is one. */
export async function englishFolder(directory: string): Promise<string | undefined> {
  const folder = join(directory, ENGLISH_FOLDER);
  return (await exists(join(folder, 'config.json'))) ? folder : undefined;
}

/** Copies the English half's model of one model directory into another. */
export async function copyEnglishHalf(from: string, to: string): Promise<void> {
  const folder = await englishFolder(from);
  if (folder) await writeEnglishHalf(folder, to);
}

/** Copies a model into the folder `english` of another: its own English half, where it translates English first itself. */
export async function writeEnglishHalf(from: string, to: string): Promise<void> {
  const source = (await englishFolder(from)) ?? from;
  const target = join(to, ENGLISH_FOLDER);
  const names = (await namesIn(source)).filter((name) =>
    /\.(json|safetensors)$|^(merges\.txt|LICENSE)$/.test(name),
  );
  await writing(target, () =>
    replaceWhole(target, async (incomplete) => {
      await mkdir(incomplete);
      for (const name of names) {
        await copyFile(join(source, name), join(incomplete, name));
        // The copy is the user's to edit.
        await chmod(join(incomplete, name), 0o644);
      }
    }),
  );
}
