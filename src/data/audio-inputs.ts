/** Recordings that a command works on: those the user named, with folders and lists expanded. */
import { stat } from 'node:fs/promises';
import { extname, resolve } from 'node:path';
import { text } from 'node:stream/consumers';
import { recordingsIn } from '../audio/recordings-in.ts';
import { UserError } from '../errors.ts';
import { readManifest } from './manifest.ts';

export interface AudioInput {
  readonly audio: string;
  /** Spoken language, if a manifest names it. */
  readonly language?: string;
}

const MANIFESTS = ['.tsv', '.jsonl'];

/**
 * Recordings in the order of `paths`, each once. A path may be an audio file, a folder (everything in it that has an
 * audio extension, sorted by path), a manifest (.tsv, .jsonl), or `-` for such paths one a line from `stdin`.
 * Does not check the content of recordings, nor whether those of a manifest exist.
 *
 * @throws UserError naming the path that is missing or holds no recordings.
 */
export async function audioInputs(
  paths: readonly string[],
  stdin: AsyncIterable<Uint8Array | string> = process.stdin,
): Promise<AudioInput[]> {
  const inputs = new Map<string, AudioInput>();
  for (const path of paths) {
    for (const input of path === '-' ? await listed(stdin) : await unfolded(path)) {
      const file = resolve(input.audio);
      if (!inputs.has(file)) inputs.set(file, input);
    }
  }
  return [...inputs.values()];
}

/** As audioInputs, but a path without recordings gives an error entry, and the others are kept. */
export async function audioInputsOrErrors(
  paths: readonly string[],
): Promise<(AudioInput & { readonly error?: string })[]> {
  const inputs: (AudioInput & { readonly error?: string })[] = [];
  for (const path of paths) {
    try {
      for (const input of await audioInputs([path])) inputs.push(input);
    } catch (error) {
      if (!(error instanceof UserError)) throw error;
      inputs.push({ audio: path, error: error.message });
    }
  }
  return inputs;
}

async function listed(stdin: AsyncIterable<Uint8Array | string>): Promise<AudioInput[]> {
  const lines = (await text(stdin as AsyncIterable<Uint8Array>)).split(/\r?\n/).filter((line) => line !== '');
  if (lines.length === 0) throw new UserError('-: found no lines; expected paths of recordings, one a line');
  const inputs: AudioInput[] = [];
  for (const line of lines) for (const input of await unfolded(line)) inputs.push(input);
  return inputs;
}

async function unfolded(path: string): Promise<AudioInput[]> {
  const found = await stat(path).catch((error: NodeJS.ErrnoException) => {
    const missing = error.code === 'ENOENT' || error.code === 'ENOTDIR';
    const what = missing ? 'no such file' : `a path that does not open (${error.code})`;
    throw new UserError(`${path}: found ${what}; expected a recording, a folder of them or a manifest`);
  });
  if (found.isDirectory()) {
    const files = await recordingsIn(path);
    return files.map((audio) => ({ audio }));
  }
  if (!MANIFESTS.includes(extname(path))) return [{ audio: path }];
  const clips = await readManifest(path);
  return clips.map(({ audio, language }) => ({ audio, ...(language !== '' && { language }) }));
}
