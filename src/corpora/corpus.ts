/** What a corpus is to `prepare`: an adapter that reads it as it is published, into clips of a manifest. */
import { existsSync } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { CorpusClip } from '../data/manifest-write.ts';
import { UserError } from '../errors.ts';
import { cannotOpen } from '../files/read.ts';
import { languageProfile, namedLanguage, sameLanguage } from '../language/profile.ts';

/** Options of a reading, as a user gives them. */
export interface CorpusOptions {
  /** Languages spoken: codes, names, or folders of the corpus such as `fr_fr`. */
  readonly from?: readonly string[] | undefined;
  /** Languages of the translations, likewise. */
  readonly to?: readonly string[] | undefined;
  /** Sets to read; what names no set is of each. @default train, dev and test, where the corpus has them; else all */
  readonly sets?: readonly string[] | undefined;
  /** CoVoST 2: folder of Common Voice's recordings. */
  readonly clips?: string | undefined;
  /** CoVoST 2: Common Voice's `validated.tsv`, for transcripts. */
  readonly sentences?: string | undefined;
  /** FLEURS: the first recording of each sentence instead of all. */
  readonly onePerSentence?: boolean | undefined;
  /** Tables: where the columns of a manifest come from. */
  readonly columns?: readonly string[] | undefined;
}

/** Options that only some corpora have. */
export type OwnOption = 'clips' | 'sentences' | 'onePerSentence' | 'columns';

/** A reading: the options, and where rows that cannot be used are reported. */
export interface Reading extends CorpusOptions {
  /**
   * Reports a row that is left out.
   * @param where file and row
   * @param reason words that all rows of the kind share, such as `no recording`: they are counted by it
   * @param detail what else a user needs to see
   */
  readonly skip: (where: string, reason: string, detail?: string) => void;
  /** Counts what was read of an archive before its clips are known, for progress. @throws the reason of an interruption */
  readonly seen: () => void;
  /** Whether no more clips of a language and set are wanted (`--limit`): a table of them alone need not be read on. */
  readonly isFull: (language: string, set: string) => boolean;
}

/** What a source looks like from outside. */
export interface Source {
  readonly path: string;
  readonly isFolder: boolean;
  /** Names in the folder, sorted; of a file none. */
  readonly names: readonly string[];
}

export interface Corpus {
  /** Its name on the command line. */
  readonly name: string;
  /** What it is, in a line. */
  readonly about: string;
  /** What is given as SOURCE. */
  readonly source: string;
  readonly options: readonly OwnOption[];
  /** An example of a call, without the program's name. */
  readonly example: string;
  /** Whether a source is this corpus, by the names of its files. */
  readonly recognises: (source: Source) => boolean | Promise<boolean>;
  /**
   * Clips in an order in which recordings inside archives are read from their beginning to their end.
   * @throws UserError where a source is not of the corpus' form
   */
  readonly read: (sources: readonly string[], reading: Reading) => AsyncIterable<CorpusClip>;
  /** Where it is published on the Hugging Face hub. */
  readonly hub?: {
    /** Names of its repositories of data sets. */
    readonly repository: RegExp;
    /** Its sets, where its files stand by language and set. */
    readonly sets?: readonly string[];
    /** Patterns (`*`, `**`, `{a,b}`) of the files that a reading with these options needs. */
    readonly files: (options: CorpusOptions) => readonly string[];
  };
}

/** @throws UserError where there is no such file or folder */
export async function lookAt(path: string): Promise<Source> {
  try {
    const isFolder = (await stat(path)).isDirectory();
    return { path, isFolder, names: isFolder ? (await readdir(path)).sort() : [] };
  } catch (error) {
    throw cannotOpen(path, error, 'a corpus: a folder or a file');
  }
}

/** What a folder of a source looks like; undefined where there is none. */
export async function folderIn(source: string, ...path: readonly string[]): Promise<Source | undefined> {
  // few: parts of a path
  const found = await lookAt(join(source, ...path)).catch(() => undefined);
  return found?.isFolder ? found : undefined;
}

/** The sets of most corpora. */
export const SETS: readonly string[] = ['train', 'dev', 'test'];

/** Names that corpora give the development set. */
const DEV = ['dev', 'valid', 'validation', 'val', 'eval', 'development'];

/** The name of a set: all names of a development set are `dev`. */
export const setOf = (name: string): string => (DEV.includes(name.toLowerCase()) ? 'dev' : name);

/** The set that the parts of a path name last: `cuts_train-clean.jsonl`, `data/validation-00000.parquet`; '' where none does. */
export function setIn(path: string): string {
  const words = path.toLowerCase().split(/[^a-z]+/);
  const found = words.findLast((word) => ['train', 'training', 'test', ...DEV].includes(word));
  return found === undefined ? '' : found === 'training' ? 'train' : setOf(found);
}

/** Whether there is such a file. At once, as a corpus has a million of them. */
export const isThere = (path: string): boolean => existsSync(path);

/** Whisper's code of the language spoken, by a name that a corpus gives it: `cmn_hans_cn` is zh. */
export const spokenOf = (name: string): string => languageProfile(name).base;

/** Whisper's code of a language written, with a script or region only where the corpus has several: `zh-CN` is zh. */
export const writtenOf = (name: string): string => languageProfile(name).base;

/**
 * The one language that is spoken in a corpus that does not say.
 * @throws UserError where `--from` names none or several
 */
export function onlyLanguage({ from }: CorpusOptions, corpus: string): string {
  if (from?.length === 1) return namedLanguage(from[0]!, '--from: ').base;
  throw new UserError(
    `--from: found ${from ? from.join(', ') : 'nothing'}; expected the language spoken, as ${corpus} does not say it`,
  );
}

/** Whether a language is among those that the user named; all are where none is named. */
export const isAmong = (code: string, named: readonly string[] | undefined): boolean =>
  named === undefined || named.some((name) => sameLanguage(languageProfile(name).base, code));
