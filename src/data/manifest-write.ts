/** Writes manifests as manifest.ts reads them. */
import { dirname, resolve } from 'node:path';
import { relativeReference } from '../audio/audio-reference.ts';
import { writeWhole } from '../files/write-whole.ts';
import type { Clip } from './clip.ts';

/** A clip of a corpus, without the columns that the corpus lacks. */
export type CorpusClip = Pick<Clip, 'audio' | 'language' | 'set' | 'key'> &
  Partial<Pick<Clip, 'text' | 'translations' | 'duration'>>;

/**
 * Writes a tab-separated manifest whose audio paths are relative to it; the file is written completely or not at all.
 * @throws UserError where it cannot be written
 */
export async function writeManifest(path: string, clips: readonly CorpusClip[]): Promise<void> {
  const folder = resolve(dirname(path));
  const written = [...new Set(clips.flatMap(({ translations = {} }) => Object.keys(translations)))].sort();
  const lines = clips.map(({ audio, language, set, key, text = '', translations = {}, duration }) => [
    relativeReference(folder, audio),
    language,
    set,
    key,
    text,
    ...written.map((code) => translations[code] ?? ''),
    duration === undefined || Number.isNaN(duration) ? '' : duration.toFixed(3),
  ]);
  const translations = written.map((code) => `text_${code}`);
  const header = ['audio', 'lang', 'set', 'key', 'text', ...translations, 'duration_s'];
  const text = [header, ...lines].map((cells) => cells.map(oneLine).join('\t')).join('\n');
  await writeWhole(path, `${text}\n`);
}

const oneLine = (cell: string): string => cell.replace(/\s+/g, ' ').trim();
