/** Recordings that a command works on: those the user named, with folders and lists expanded. */
import { stat } from 'node:fs/promises';
import { text } from 'node:stream/consumers';
import { locateAudio } from '../audio/audio-file.ts';
import { cellReference, isTar, resolveReference } from '../audio/audio-reference.ts';
import { fewNames, recordingsIn, recordingsInTar } from '../audio/recordings-in.ts';
import { UserError } from '../errors.ts';
import { parquetTable } from '../files/parquet-table.ts';
import { readManifest } from './manifest.ts';
import { manifestFormat } from './manifest-rows.ts';

export interface AudioInput {
  readonly audio: string;
  /** Spoken language, if a manifest names it. */
  readonly language?: string;
  /** Why there is no recording. */
  readonly error?: string;
}

interface AudioInputOptions {
  /** Gets a note on the files of a folder that hold no sound. */
  readonly onNote?: (note: string) => void;
  readonly stdin?: AsyncIterable<Uint8Array | string>;
}

/**
 * Recordings in the order of `paths`, each once for each of them. A path may be a recording, a folder (every file in it, see recordingsIn,
 * sorted by path), a tar (.tar, .tar.gz, .tgz: every member, in its order), a Parquet table (every row), a reference to a member, a cell or a part (audio-reference.ts), a manifest (.tsv, .csv, .jsonl), or `-` for such paths one a line from `stdin`. A path that is missing, or
 * holds no recordings, gives an entry with an error, and the others are kept.
 * Does not check the content of recordings, nor whether those of a manifest exist.
 */
export async function audioInputsOrErrors(
  paths: readonly string[],
  { onNote, stdin = process.stdin }: AudioInputOptions = {},
): Promise<AudioInput[]> {
  const inputs: AudioInput[] = [];
  for (const path of paths) {
    const found = new Map<string, AudioInput>();
    const add = (input: AudioInput): void => {
      const file = input.error ?? resolveReference('', input.audio);
      if (!found.has(file)) found.set(file, input);
    };
    const lines = path === '-' ? await linesOf(stdin) : [path];
    if (lines.length === 0)
      add({ audio: '-', error: '-: found no lines; expected paths of recordings, one a line' });
    for (const line of lines) {
      try {
        for (const input of await unfolded(line, onNote)) add(input);
      } catch (error) {
        if (!(error instanceof UserError)) throw error;
        add({ audio: line, error: error.message });
      }
    }
    for (const input of found.values()) inputs.push(input);
  }
  return inputs;
}

function notePassedOver(
  path: string,
  { length }: readonly string[],
  names: string,
  onNote: AudioInputOptions['onNote'],
): void {
  if (length === 0) return;
  onNote?.(`${path}: ${length} ${length === 1 ? 'file' : 'files'} without sound passed over: ${names}`);
}

/** References to the recordings in a Parquet table, row by row. @throws UserError where no column, or more than one, has them */
async function cellsOf(path: string): Promise<string[]> {
  const { audio, columns, rowCount } = await parquetTable(path);
  const [column, ...more] = audio;
  if (column === undefined || more.length > 0) {
    const found =
      column === undefined ? `the columns ${columns.join(', ')}` : `recordings in ${audio.join(', ')}`;
    throw new UserError(
      `${path}: found ${found}; expected one column of recordings ({bytes, path}), or a cell: ${cellReference(path, 0)}`,
    );
  }
  return Array.from({ length: rowCount }, (_, row) => cellReference(path, row, column));
}

async function linesOf(stdin: AsyncIterable<Uint8Array | string>): Promise<string[]> {
  return (await text(stdin as AsyncIterable<Uint8Array>)).split(/\r?\n/).filter((line) => line !== '');
}

async function unfolded(path: string, onNote?: (note: string) => void): Promise<AudioInput[]> {
  const { file, member, cell, part } = await locateAudio(path);
  const found = await stat(file).catch((error: NodeJS.ErrnoException) => {
    const missing = error.code === 'ENOENT' || error.code === 'ENOTDIR';
    const what = missing ? 'no such file' : `a path that does not open (${error.code})`;
    throw new UserError(`${path}: found ${what}; expected a recording, a folder of them or a manifest`);
  });
  if (member !== undefined || cell || part) return [{ audio: path }];
  if (found.isDirectory()) {
    const { recordings, others } = await recordingsIn(path);
    notePassedOver(path, others, fewNames(path, others), onNote);
    return recordings.map((audio) => ({ audio }));
  }
  if (isTar(path)) {
    const { recordings, others, errors } = await recordingsInTar(path);
    notePassedOver(path, others, fewNames('', others), onNote);
    return [...recordings.map((audio) => ({ audio })), ...errors.map((error) => ({ audio: path, error }))];
  }
  if (/\.parquet$/i.test(path)) return (await cellsOf(path)).map((audio) => ({ audio }));
  if (manifestFormat(path) === undefined) return [{ audio: path }];
  // Only what is asked for is held of a row.
  return readManifest(path, {}, ({ audio, language }) => ({ audio, ...(language !== '' && { language }) }));
}
