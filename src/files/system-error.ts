/** Errors of the system, such as a full disk, in words: they are the user's to mend, and no fault of the program. */

const REASONS: Readonly<Record<string, string>> = {
  EACCES: 'there is no permission',
  EPERM: 'there is no permission',
  EROFS: 'the file system is read-only',
  ENOSPC: 'the disk is full',
  EDQUOT: "the user's share of the disk is full",
  EFBIG: 'the file would be larger than the system allows',
  ENAMETOOLONG: 'the name is too long',
  EMFILE: 'too many files are open',
  ENFILE: 'too many files are open',
  ENOENT: 'there is no such file or folder',
  ENOTDIR: 'a part of the path is a file',
  EEXIST: 'a file has the name of a folder',
  EISDIR: 'it is a folder',
  ELOOP: 'its links form a circle',
  EIO: 'the disk has a fault',
  ESTALE: 'the network file system has lost it',
  EBUSY: 'it is in use',
  ETXTBSY: 'it is in use',
};

/** Why the system refused a file, with the code; undefined for other errors. */
export function reasonOf(error: unknown): string | undefined {
  const { code, syscall } = error as NodeJS.ErrnoException;
  if (!(error instanceof Error) || code === undefined || !(code in REASONS || syscall !== undefined)) return;
  return code in REASONS ? `${REASONS[code]} (${code})` : code;
}

/** One line for an error of the system, with its path where it has one; undefined for other errors. */
export function systemErrorLine(error: unknown): string | undefined {
  const reason = reasonOf(error);
  if (reason === undefined) return undefined;
  const { path, syscall } = error as NodeJS.ErrnoException;
  return `${path ?? syscall}: ${reason}`;
}
