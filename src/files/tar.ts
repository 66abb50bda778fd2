/**
 * Reads members of tar archives in place: an index of the headers, made once for an archive and bounded in memory, finds a
 * member among millions. Formats: ustar, GNU (long names), pax, v7. Nothing is ever written: names are only names.
 *
 * Own code: modern-tar and tar-stream read an archive from its beginning to its end, and do not say where a member stands.
 * Archives in gzip, which have no places, are read here as well, so that a member has one name in both.
 */
import { stat } from 'node:fs/promises';
import { UserError } from '../errors.ts';
import { expandedBytes } from './lines.ts';
import { cannotOpen, openFile } from './read.ts';

/** Whether an archive is compressed by gzip, by its name. */
export const isGzipped = (path: string): boolean => /\.(?:tar\.gz|tgz)$/i.test(path);

const BLOCK = 512;
/** Of a long name, or of pax records. */
const MOST_NAME_BYTES = 2 ** 20;
/** Read at once where headers stand close. */
const READ_AHEAD = 64 * 1024;
/** Of a member's content that is read at once. */
const PIECE = 256 * 1024;
const EXPECTED = 'a tar archive';

export interface TarMember {
  readonly name: string;
  /** Byte of its first header. */
  readonly header: number;
  /** Byte of its content. */
  readonly offset: number;
  /** Bytes of its content. */
  readonly size: number;
  /** Why its content cannot be read: with its article, "a link". Undefined: it is a regular file. */
  readonly other?: string | undefined;
}

/** A member that is passed on the way through an archive. */
export interface PassedMember extends TarMember {
  /** Its content in pieces, to be read before the next member. @throws UserError where it is cut off */
  readonly content: () => AsyncGenerator<Buffer, void, undefined>;
}

/** The members of an archive, by name. */
export interface TarIndex {
  /** The last member of a name, as tar unpacks them. @throws UserError where there is none, or it is no regular file */
  find(name: string): Promise<TarMember>;
  readonly members: number;
}

interface KnownIndex {
  readonly path: string;
  readonly place: string;
  readonly index: Promise<TarIndex>;
}

/** Indices of archives that were read last; a million members take 16 MB. */
const known: KnownIndex[] = [];
const MAX_KNOWN = 64;

/**
 * The index of an archive: kept in the process, and made anew where the file has changed.
 * @param name in messages
 * @throws UserError where it does not open
 */
export async function tarIndex(path: string, name = path): Promise<TarIndex> {
  const found = await stat(path).catch((error: unknown) => {
    throw cannotOpen(path, error, EXPECTED);
  });
  const place = `${found.size} ${found.mtimeMs} ${found.ino}`;
  const at = known.findIndex((one) => one.path === path && one.place === place);
  const [one] = at < 0 ? [{ path, place, index: readIndex(path, name) }] : known.splice(at, 1);
  known.unshift(one!);
  known.length = Math.min(known.length, MAX_KNOWN);
  try {
    return await one!.index;
  } catch (error) {
    const failed = known.indexOf(one!);
    if (failed >= 0) known.splice(failed, 1);
    throw error;
  }
}

/**
 * The members of an archive, compressed by gzip or not, in order; those that are no regular files, too.
 * @throws UserError, after those before it, where the archive is damaged or cut off
 */
export async function* tarMembers(path: string): AsyncGenerator<PassedMember, void, undefined> {
  const archive = isGzipped(path) ? openCompressed(path) : await openArchive(path);
  try {
    for await (const member of archive.members()) {
      checkWhole(path, archive.size, member);
      yield { ...member, content: () => contentOf(path, archive, member) };
    }
  } finally {
    await archive.close();
  }
}

async function readIndex(path: string, archiveName: string): Promise<TarIndex> {
  // The hash of a name in the upper half, the number of the member in the lower: sorted as whole numbers.
  let keys = new Uint32Array(2 * 1024);
  let headers = new Float64Array(1024);
  let count = 0;
  let damage: UserError | undefined;
  const archive = await openArchive(path);
  try {
    for await (const { name, header } of archive.members()) {
      if (count === headers.length) {
        keys = grown(keys, Uint32Array);
        headers = grown(headers, Float64Array);
      }
      keys[2 * count] = count;
      keys[2 * count + 1] = hashOf(name);
      headers[count++] = header;
    }
  } catch (error) {
    // What stands before the damage can be read.
    if (!(error instanceof UserError) || count === 0) throw error;
    damage = error;
  } finally {
    await archive.close();
  }
  const sorted = new BigUint64Array(keys.buffer, 0, count).sort();
  const halves = new Uint32Array(sorted.buffer);
  return {
    members: count,
    async find(name) {
      const hash = hashOf(name);
      let [low, high] = [0, count];
      while (low < high) {
        const middle = (low + high) >> 1;
        if (halves[2 * middle + 1]! <= hash) low = middle + 1;
        else high = middle;
      }
      const archive = await openArchive(path);
      try {
        for (let i = low - 1; i >= 0 && halves[2 * i + 1] === hash; i--) {
          const { value: member } = await archive.members(headers[halves[2 * i]!]!).next();
          if (member?.name === name) return checked(archiveName, archive.size, member);
        }
      } finally {
        await archive.close();
      }
      const where = `${archiveName}: found no member ${JSON.stringify(name)}`;
      if (damage)
        throw new UserError(`${where} before its damage (${damage.message}); expected one of its names`);
      throw new UserError(`${where} among ${count}; expected one of its names${likely(name)}`);
    },
  };
}

/** Of the common mistake. */
const likely = (name: string): string =>
  name.startsWith('./') ? ', as `tar -tf` prints them' : ', as `tar -tf` prints them (./ before it, perhaps)';

function checked(path: string, bytes: number, member: TarMember): TarMember {
  const { name, other } = member;
  if (other !== undefined) {
    throw new UserError(
      `${path}: found the member ${JSON.stringify(name)}, ${other}; expected a regular file`,
    );
  }
  checkWhole(path, bytes, member);
  return member;
}

/** @throws UserError where the archive ends within a member */
function checkWhole(path: string, bytes: number, { name, offset, size }: TarMember): void {
  if (offset + size <= bytes) return;
  const present = Math.max(0, bytes - offset);
  throw new UserError(
    `${path}: found the member ${JSON.stringify(name)} cut off: ${present} of ${size} bytes; expected a whole archive`,
  );
}

function grown<T extends Uint32Array | Float64Array>(array: T, Kind: new (length: number) => T): T {
  const larger = new Kind(2 * array.length);
  larger.set(array);
  return larger;
}

/** FNV-1a of the code units. */
function hashOf(name: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < name.length; i++) hash = Math.imul(hash ^ name.charCodeAt(i), 0x01000193);
  return hash >>> 0;
}

async function* contentOf(
  path: string,
  { read }: Archive,
  { name, offset, size }: TarMember,
): AsyncGenerator<Buffer, void, undefined> {
  for (let done = 0; done < size; ) {
    const piece = await read(offset + done, Math.min(PIECE, size - done), 0);
    if (piece.length === 0) {
      throw new UserError(
        `${path}: found the member ${JSON.stringify(name)} cut off; expected a whole archive`,
      );
    }
    done += piece.length;
    yield piece;
  }
}

/**
 * Reads bytes of an archive; fewer where it ends.
 * @param ahead bytes that may be read with them
 */
type Read = (at: number, length: number, ahead: number) => Promise<Buffer>;

interface Archive {
  readonly size: number;
  readonly read: Read;
  /** @param from byte of the first header */
  members(from?: number): AsyncGenerator<TarMember, void, undefined>;
  close(): Promise<void>;
}

async function openArchive(path: string): Promise<Archive> {
  const { handle, found } = await openFile(path, EXPECTED);
  const { size } = found;
  let held = Buffer.alloc(0);
  let heldAt = 0;
  const read: Read = async (at, length, ahead) => {
    if (at < heldAt || at + length > heldAt + held.length) {
      const { bytesRead, buffer } = await handle.read(
        Buffer.allocUnsafe(Math.max(length, ahead)),
        0,
        Math.max(length, ahead),
        at,
      );
      held = buffer.subarray(0, bytesRead);
      heldAt = at;
    }
    return held.subarray(at - heldAt, at - heldAt + length);
  };
  return {
    size,
    read,
    members: (from = 0) => membersOf(path, size, read, from),
    close: () => handle.close(),
  };
}

/** An archive in gzip, whose bytes pass once: what is read stands behind what was read before. */
function openCompressed(path: string): Archive {
  const source = expandedBytes(path, EXPECTED);
  let held: Buffer = Buffer.alloc(0);
  let heldAt = 0;
  const read: Read = async (at, length) => {
    if (at < heldAt) throw new Error(`byte ${at} of ${path} has passed`);
    for (;;) {
      const passed = Math.min(at - heldAt, held.length);
      held = held.subarray(passed);
      heldAt += passed;
      if (held.length >= length && heldAt === at) break;
      const { value, done } = await source.next();
      if (done) break;
      held = held.length === 0 ? value : Buffer.concat([held, value]);
    }
    if (heldAt < at)
      throw new UserError(`${path}: found it cut off after ${heldAt} bytes; expected a whole archive`);
    return held.subarray(0, length);
  };
  const size = Number.POSITIVE_INFINITY;
  return {
    size,
    read,
    async *members() {
      yield* membersOf(path, size, read, 0);
      // The checksum of gzip stands at its end.
      while (!(await source.next()).done);
    },
    close: async () => {
      await source.return(undefined);
    },
  };
}

async function* membersOf(
  path: string,
  bytes: number,
  read: Read,
  from: number,
): AsyncGenerator<TarMember, void, undefined> {
  let first = from;
  let longName: string | undefined;
  let pax: ReadonlyMap<string, string> = new Map();
  /** Of the member before: where headers stand far from each other, nothing is read ahead. */
  let before = 0;
  for (let at = from, members = 0; at < bytes; ) {
    const header = await read(at, BLOCK, before < READ_AHEAD / 2 ? READ_AHEAD : 3 * BLOCK);
    // The end: two blocks of zeros, of which some writers leave out one or both.
    if (header.every((byte) => byte === 0)) return;
    const damaged = (what: string): UserError => {
      const where = members === 0 ? 'at its beginning' : `at byte ${at}, after ${members} members`;
      return new UserError(`${path}: found ${what} ${where}; expected ${EXPECTED}`);
    };
    if (header.length < BLOCK) throw damaged('a cut-off header');
    if (!isChecksumRight(header)) throw damaged('no header of a member (its checksum is wrong)');
    const stated = numberAt(header, 124, 12);
    if (stated === undefined) throw damaged('a member with a size that is no number');
    const type = String.fromCharCode(header[156]!);
    const content = at + BLOCK;
    // Records before a member: its name or its size, where they do not fit the header.
    if (LONG_NAMES.includes(type)) {
      if (stated > MOST_NAME_BYTES) throw damaged(`a name of ${stated} bytes`);
      const text = await read(content, stated, 0);
      if (text.length < stated) throw damaged('a cut-off name');
      if (type === 'L') longName = textAt(text, 0, stated);
      if (type === 'x') {
        const records = paxRecords(text);
        if (!records) throw damaged('pax records that are none');
        pax = records;
      }
      at = content + Math.ceil(stated / BLOCK) * BLOCK;
      continue;
    }
    const paxSize = pax.get('size');
    if (paxSize !== undefined && !/^\d{1,15}$/.test(paxSize))
      throw damaged('a member with a size that is no number');
    const size = paxSize === undefined ? stated : Number(paxSize);
    const name = pax.get('path') ?? longName ?? nameIn(header);
    // Links, folders and devices have no content, whatever their size says; v7 has folders of type 0.
    const hasContent = !/[1-6]/.test(type);
    const isSparse = type === 'S' || [...pax.keys()].some((key) => key.startsWith('GNU.sparse.'));
    const other = isSparse
      ? 'a sparse file'
      : (OTHERS[type] ??
        (/[0\0 7]/.test(type) ? (name.endsWith('/') ? 'a folder' : undefined) : `of type "${type}"`));
    yield { name, header: first, offset: content, size: hasContent ? size : 0, other };
    members++;
    before = hasContent ? size : 0;
    at = content + Math.ceil(before / BLOCK) * BLOCK;
    first = at;
    longName = undefined;
    pax = new Map();
  }
}

/** GNU's long name and long target of a link; pax of a member, and of all that follow, which name none. */
const LONG_NAMES = ['L', 'K', 'x', 'g'];
const OTHERS: Readonly<Record<string, string>> = {
  '1': 'a link to another member',
  '2': 'a link',
  '3': 'a device',
  '4': 'a device',
  '5': 'a folder',
  '6': 'a pipe',
};

function isChecksumRight(header: Buffer): boolean {
  let sum = 8 * 32;
  let signed = 8 * 32;
  for (let i = 0; i < BLOCK; i++) {
    if (i >= 148 && i < 156) continue;
    sum += header[i]!;
    signed += (header[i]! << 24) >> 24;
  }
  const stated = numberAt(header, 148, 8);
  // Old writers took the bytes as signed.
  return stated === sum || stated === signed;
}

/** An octal number, or base 256 where it begins with the highest bit; undefined: neither, negative, or above 2^53. */
function numberAt(header: Buffer, at: number, length: number): number | undefined {
  if (header[at]! & 0x80) {
    let value = header[at]! & 0x7f;
    for (let i = 1; i < length; i++) value = value * 256 + header[at + i]!;
    return Number.isSafeInteger(value) ? value : undefined;
  }
  const text = header.toString('latin1', at, at + length).replace(/^[ \0]+/, '');
  const digits = /^([0-7]*)(?:[ \0]|$)/.exec(text)?.[1];
  return digits === undefined ? undefined : Number.parseInt(digits || '0', 8);
}

function textAt(bytes: Buffer, at: number, length: number): string {
  const end = bytes.indexOf(0, at);
  return bytes.toString('utf8', at, end < 0 ? at + length : Math.min(end, at + length));
}

function nameIn(header: Buffer): string {
  const name = textAt(header, 0, 100);
  // GNU's magic is "ustar  " and has times where ustar has a prefix.
  const prefix = header.toString('latin1', 257, 263) === 'ustar\0' ? textAt(header, 345, 155) : '';
  return prefix === '' ? name : `${prefix}/${name}`;
}

/** `"25 path=a/long/name.flac\n"`; undefined where the lengths are wrong. */
function paxRecords(text: Buffer): ReadonlyMap<string, string> | undefined {
  const records = new Map<string, string>();
  for (let at = 0; at < text.length && text[at] !== 0; ) {
    const blank = text.indexOf(0x20, at);
    const length = blank < 0 ? '' : text.toString('latin1', at, blank);
    const end = at + Number(length);
    if (!/^\d{1,7}$/.test(length) || end <= blank + 1 || end > text.length || text[end - 1] !== 0x0a)
      return undefined;
    const record = text.toString('utf8', blank + 1, end - 1);
    const equals = record.indexOf('=');
    if (equals < 1) return undefined;
    records.set(record.slice(0, equals), record.slice(equals + 1));
    at = end;
  }
  return records;
}
