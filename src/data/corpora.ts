/**
 * Reads speech-translation corpora as they are downloaded. Rows that cannot be used, or whose recording is missing, are
 * skipped and reported, in one line each.
 */
import { basename, join } from 'node:path';
import { UserError } from '../errors.ts';
import { exists, listFolder, readText } from '../files/read.ts';
import { languageProfile } from '../language/profile.ts';
import type { CorpusClip } from './manifest-write.ts';

type OnSkipped = (line: string) => void;

const RECORDINGS = 'a folder of recordings';

/** Recordings of FLEURS have 16,000 samples a second. */
const FLEURS_RATE = 16_000;

/**
 * CoVoST 2 (Wang et al. 2020): `covost_v2.en_zh-CN.tsv` as downloaded (columns path, translation, split), or one of the
 * files that its `get_covost_splits.py` makes of it (path, sentence, translation; the split is in the name). Any of its
 * 15 targets and 21 sources: sv-SE and zh-CN become Whisper's sv and zh. A recording that several files translate is one
 * clip with several translations.
 *
 * @param clips folder of Common Voice's recordings
 * @param sentences Common Voice's `validated.tsv` (path, sentence): transcripts, where the files themselves lack them
 * @throws UserError where a file is not of that form
 */
export async function readCovost(
  files: readonly string[],
  { clips, sentences }: { clips: string; sentences?: string | undefined },
  onSkipped: OnSkipped,
): Promise<CorpusClip[]> {
  const pairs = files.map(covostPair);
  const spoken = new Map<string, string>();
  if (sentences !== undefined) {
    for (const { values } of await readColumns(sentences, ['path', 'sentence'], onSkipped)) {
      spoken.set(values.path!, values.sentence!);
    }
  }
  const recordings = new Set(await listFolder(clips, RECORDINGS));
  const found = new Map<string, CorpusClip>();
  for (const [i, file] of files.entries()) {
    const { language, target, split } = pairs[i]!;
    for (const { values, where } of await readColumns(file, ['path', 'translation'], onSkipped)) {
      const path = values.path!;
      const set = split ?? values.split?.replace(/_covost$/, '');
      const lacks = !recordings.has(path)
        ? `no recording "${path}" in ${clips}`
        : values.translation!.trim() === ''
          ? 'no translation'
          : set === undefined || !/^(train|dev|test)$/.test(set)
            ? `split "${set ?? ''}", expected train, dev or test`
            : undefined;
      if (lacks !== undefined) {
        onSkipped(`${where}: ${lacks}`);
        continue;
      }
      const before = found.get(`${set} ${path}`);
      found.set(`${set} ${path}`, {
        audio: join(clips, path),
        language,
        set: set!,
        key: path.replace(/\.\w+$/, ''),
        text: before?.text || (values.sentence ?? spoken.get(path) ?? ''),
        translations: { ...before?.translations, [target]: values.translation! },
      });
    }
  }
  return [...found.values()];
}

function covostPair(file: string): { language: string; target: string; split: string | undefined } {
  const name = /^covost_v2\.([\w-]+)_([\w-]+?)(?:\.(train|dev|test))?\.tsv$/.exec(basename(file));
  if (!name) {
    throw new UserError(
      `${file}: expected a name such as covost_v2.en_de.tsv or covost_v2.fr_en.test.tsv, with the languages in it`,
    );
  }
  const [language, target] = [languageProfile(name[1]!).base, languageProfile(name[2]!).base];
  return { language, target, split: name[3] };
}

const FLEURS_SETS = ['train', 'dev', 'test'];

export interface FleursOptions {
  /** Languages spoken: folders such as `fr_fr`, or codes. */
  readonly from: readonly string[];
  /** Languages of the translations, in the same form. */
  readonly to: readonly string[];
  /** @default all that exist */
  readonly sets?: readonly string[] | undefined;
  /** Keep all recordings of a sentence, not only the first. */
  readonly all: boolean;
}

/**
 * FLEURS (Conneau et al. 2022): a folder a language, with `SET.tsv` (id, file name, raw transcription, transcription,
 * characters, samples, gender; no header) and recordings in `audio/SET`. Sentences are joined by their id. A folder's
 * name begins with the language's code, which becomes Whisper's: cmn_hans_cn is zh, nb_no is no, ast_es is ast.
 *
 * @throws UserError where a language or set is missing
 */
export async function readFleurs(
  folder: string,
  { from, to, sets, all }: FleursOptions,
  onSkipped: OnSkipped,
): Promise<CorpusClip[]> {
  const names = await listFolder(folder, RECORDINGS);
  const translations: { code: string; texts: Map<string, string> }[] = [];
  for (const name of fleursFolders(folder, names, to)) {
    const texts = await fleursTexts(join(folder, name));
    if (texts.size === 0) {
      throw new UserError(
        `${join(folder, name)}: found no train.tsv, dev.tsv or test.tsv; expected FLEURS's files`,
      );
    }
    translations.push({ code: languageProfile(name).base, texts });
  }
  const clips: CorpusClip[] = [];
  for (const spoken of fleursFolders(folder, names, from)) {
    const language = languageProfile(spoken).base;
    const files = await listFolder(join(folder, spoken), RECORDINGS);
    for (const set of sets ?? FLEURS_SETS.filter((name) => files.includes(`${name}.tsv`))) {
      const file = join(folder, spoken, `${set}.tsv`);
      const audio = join(folder, spoken, 'audio', set);
      const recordings = new Set(await listFolder(audio, RECORDINGS));
      const known = new Set<string>();
      for (const { id, name, text, samples, where } of await fleursRows(file, onSkipped)) {
        if (known.has(id) && !all) continue;
        const written = translations.filter(({ texts }) => texts.has(id));
        if (written.length === 0) onSkipped(`${where}: sentence ${id} is not in ${to.join(' or ')}`);
        else if (!recordings.has(name)) onSkipped(`${where}: no recording "${name}" in ${audio}`);
        else {
          known.add(id);
          const others = written.filter(({ code }) => code !== language);
          clips.push({
            audio: join(audio, name),
            language,
            set,
            key: id,
            text,
            translations: Object.fromEntries(others.map(({ code, texts }) => [code, texts.get(id)!])),
            duration: samples / FLEURS_RATE,
          });
        }
      }
    }
  }
  return clips;
}

/** @throws UserError where there is no folder of a language */
function fleursFolders(folder: string, names: readonly string[], wanted: readonly string[]): string[] {
  return wanted.map((name) => {
    const found = names.includes(name)
      ? name
      : names.find(
          (other) => /^[a-z]+_/.test(other) && languageProfile(other).base === languageProfile(name).code,
        );
    if (found === undefined) {
      throw new UserError(
        `${folder}: found no folder of "${name}"; expected a code such as fr, or one of ${names.join(', ')}`,
      );
    }
    return found;
  });
}

/** Texts of all sets by sentence id; empty where there is no such language. */
async function fleursTexts(folder: string): Promise<Map<string, string>> {
  const texts = new Map<string, string>();
  for (const set of FLEURS_SETS) {
    const file = join(folder, `${set}.tsv`);
    if (!(await exists(file))) continue;
    for (const { id, text } of await fleursRows(file, () => {})) texts.set(id, text);
  }
  return texts;
}

async function fleursRows(file: string, onSkipped: OnSkipped) {
  return (await readLines(file)).flatMap(({ cells, where }) => {
    const [id = '', name = '', text = '', , , samples = ''] = cells;
    if (cells.length === 7 && /^\d+$/.test(id) && name && text.trim() && /^\d+$/.test(samples)) {
      return [{ id, name, text, samples: Number(samples), where }];
    }
    onSkipped(`${where}: expected sentence id, file name, text, and samples in 7 columns`);
    return [];
  });
}

/** A table with a header, backslashes before special characters as pandas writes them. */
async function readColumns(file: string, needed: readonly string[], onSkipped: OnSkipped) {
  const [header, ...lines] = await readLines(file);
  const names = header?.cells ?? [];
  const missing = needed.find((name) => !names.includes(name));
  if (missing !== undefined) {
    throw new UserError(
      `${file}:1: found no column "${missing}"; expected ${needed.join(', ')} in the header`,
    );
  }
  return lines.flatMap(({ cells, where }) => {
    if (cells.length !== names.length) {
      onSkipped(`${where}: found ${cells.length} columns; expected ${names.length} as in the header`);
      return [];
    }
    const values = cells.map((cell) => cell.replace(/\\(.)/g, '$1'));
    const row: Record<string, string | undefined> = Object.fromEntries(
      names.map((name, i) => [name, values[i]!]),
    );
    return [{ where, values: row }];
  });
}

async function readLines(file: string): Promise<{ cells: string[]; where: string }[]> {
  const text = await readText(file, 'UTF-8 text');
  return text
    .split(/\r?\n/)
    .map((line, i) => ({ cells: line.split('\t'), where: `${file}:${i + 1}` }))
    .filter(({ cells }) => cells.length > 1 || cells[0]!.trim() !== '');
}
