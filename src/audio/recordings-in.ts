/** Recordings below a folder or in an archive, by their names, and by their content where a name says nothing. */
import { open, readdir, stat } from 'node:fs/promises';
import { basename, extname, join, relative } from 'node:path';
import { reasonOf, UserError } from '../errors.ts';
import { isGzipped, tarMembers } from '../files/tar.ts';
import { memberReference } from './audio-reference.ts';
import { detectFormat } from './formats.ts';
import { gunzipped } from './gunzipped.ts';
import { tagLength } from './tags.ts';

/** Extensions of sound and video, whether they can be read or not: what cannot be read is reported, not passed over. */
const SOUND_EXTENSIONS = new Set(
  (
    'wav wave bwf rf64 w64 aif aiff aifc caf au snd sph nist flac ogg oga ogv ogx opus spx mp3 mp2 mp1 mpga aac adts m4a ' +
    'm4b m4p m4r m4v mp4 mov qt 3gp 3g2 webm weba mkv mka amr awb wma wmv asf avi flv ac3 eac3 dts ape wv tta mpc ra rm ts ' +
    'mts m2ts mpg mpeg vob gsm voc'
  ).split(' '),
);

/** Extensions of files that stand beside recordings and are none; the content of any others is looked at. */
const OTHER_EXTENSIONS = new Set(
  (
    'txt md rst log csv tsv json jsonl ndjson xml html htm css js mjs py sh yaml yml toml ini cfg srt vtt ass lrc lab ' +
    'textgrid ctm stm rttm eaf trs cha pdf doc docx odt rtf xls xlsx ods ppt pptx jpg jpeg png gif bmp svg webp tif tiff ' +
    'ico heic psd zip gz bz2 xz zst tar tgz 7z rar parquet arrow npy npz pt pth onnx safetensors pkl h5 m3u m3u8 pls cue ' +
    'sfv md5 sha1 sha256 lnk url db sqlite'
  ).split(' '),
);

/** Whether a file is named like sound or video. */
export const isSoundName = (name: string): boolean =>
  SOUND_EXTENSIONS.has(extname(name).slice(1).toLowerCase());

/** Files whose kind is found out at the same time. */
const AT_ONCE = 128;

export interface FolderContent {
  /** By path, in an order that is the same in every locale. */
  readonly recordings: string[];
  /** Files without sound, likewise. */
  readonly others: string[];
}

/**
 * Files of a folder and those below it. A file that is named like sound or video is a recording, also where it cannot be
 * read; of a name that says nothing, the content decides. Skips hidden files (macOS writes ._talk.wav beside talk.wav)
 * and links to folders, which may be circular.
 *
 * @throws UserError when there are no recordings, or a folder does not open
 */
export async function recordingsIn(folder: string): Promise<FolderContent> {
  const recordings: string[] = [];
  const others: string[] = [];
  const folders = [folder];
  for (const current of folders) {
    const entries = await readdir(current, { withFileTypes: true }).catch((error: NodeJS.ErrnoException) => {
      throw new UserError(
        `${current}: found a folder that does not open (${error.code}); expected recordings`,
      );
    });
    const shown = entries.filter((entry) => !entry.name.startsWith('.'));
    for (let at = 0; at < shown.length; at += AT_ONCE) {
      const some = shown.slice(at, at + AT_ONCE);
      const kinds = await Promise.all(some.map((entry) => kindOf(join(current, entry.name), entry)));
      for (const [i, kind] of kinds.entries()) {
        const path = join(current, some[i]!.name);
        if (kind === 'folder') folders.push(path);
        else if (kind === 'recording') recordings.push(path);
        else if (kind === 'other') others.push(path);
      }
    }
  }
  if (recordings.length === 0) {
    const found = others.length > 0 ? ` (${fewNames(folder, others)})` : '';
    throw new UserError(
      `${folder}: found no recordings${found}; expected files such as talk.wav, talk.mp3 or talk.m4a`,
    );
  }
  // By code units.
  return { recordings: recordings.sort(), others: others.sort() };
}

export interface ArchiveContent extends FolderContent {
  /** Lines about what is not among them: where the archive is cut off or damaged, names that cannot be referred to. */
  readonly errors: readonly string[];
}

/** Read of a member whose name says nothing. */
const HEAD_BYTES = 64 * 1024;

/**
 * References to the recordings in a tar, in its order, as {@link recordingsIn} finds them in a folder. Links and the like that are named
 * like sound are among them, so that reading says what they are. Of an archive that is cut off, whole members count.
 * @throws UserError where there are none, or it is no tar
 */
export async function recordingsInTar(archive: string): Promise<ArchiveContent> {
  const path = isGzipped(archive) ? await gunzipped(archive) : archive;
  const recordings = new Set<string>();
  const others: string[] = [];
  const errors: string[] = [];
  let whole = 0;
  try {
    for await (const { name, other, content } of tarMembers(path)) {
      whole++;
      if (name.endsWith('/') || basename(name).startsWith('.')) continue;
      const isSound =
        isSoundName(name) || (other === undefined && !isOtherName(name) && (await startsAsSound(content())));
      if (!isSound) {
        others.push(name);
        continue;
      }
      try {
        recordings.add(memberReference(archive, name));
      } catch (error) {
        errors.push((error as UserError).message);
      }
    }
  } catch (error) {
    if (!(error instanceof UserError) || whole === 0) throw error;
    errors.push(`${archive}: ${reasonOf(path, error)}: what stands before it is read`);
  }
  if (recordings.size === 0 && errors.length === 0) {
    const found = others.length > 0 ? ` (${fewNames('', others)})` : '';
    throw new UserError(
      `${archive}: found no recordings${found}; expected members such as talk.wav, talk.mp3 or talk.m4a`,
    );
  }
  return { recordings: [...recordings], others, errors };
}

const isOtherName = (name: string): boolean => OTHER_EXTENSIONS.has(extname(name).slice(1).toLowerCase());

async function startsAsSound(content: AsyncIterable<Uint8Array>): Promise<boolean> {
  for await (const piece of content) return isSoundHead(piece.subarray(0, HEAD_BYTES));
  return false;
}

const isSoundHead = (head: Uint8Array): boolean =>
  tagLength(head) > 0 || typeof detectFormat(head) !== 'string';

/** "a.txt, b/c.json", of many only the first. */
export function fewNames(folder: string, files: readonly string[]): string {
  const names = files.slice(0, 3).map((file) => (folder === '' ? file : relative(folder, file)));
  return [...names, ...(files.length > names.length ? ['…'] : [])].join(', ');
}

interface Entry {
  isDirectory(): boolean;
  isSymbolicLink(): boolean;
}

async function kindOf(path: string, entry: Entry): Promise<'folder' | 'recording' | 'other' | 'link'> {
  if (entry.isDirectory()) return 'folder';
  // A broken link is a file that reading reports.
  if (entry.isSymbolicLink() && (await stat(path).catch(() => undefined))?.isDirectory()) return 'link';
  if (isSoundName(path)) return 'recording';
  if (isOtherName(path)) return 'other';
  return (await holdsSound(path)) ? 'recording' : 'other';
}

/** Whether the content of a file is that of sound; true where it does not open, so that reading says why. */
async function holdsSound(path: string): Promise<boolean> {
  try {
    // Before opening: to open a pipe would wait for its writer.
    const found = await stat(path);
    if (!found.isFile() || found.size === 0) return false;
    const handle = await open(path);
    try {
      const { bytesRead, buffer } = await handle.read(new Uint8Array(HEAD_BYTES), 0, HEAD_BYTES, 0);
      return isSoundHead(buffer.subarray(0, bytesRead));
    } finally {
      await handle.close();
    }
  } catch {
    return true;
  }
}
