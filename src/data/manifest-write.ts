/** Writes manifests as manifest.ts reads them. */
import { dirname, resolve } from 'node:path';
import { relativeReference } from '../audio/audio-reference.ts';
import { excerpt, UserError } from '../errors.ts';
import { writeSpooled } from '../files/write-spooled.ts';
import type { Clip } from './clip.ts';

/** A clip of a corpus, without the columns that the corpus lacks. */
export type CorpusClip = Pick<Clip, 'audio' | 'language' | 'set' | 'key'> &
  Partial<Pick<Clip, 'text' | 'translations' | 'duration' | 'other'>> & {
    /** Column `speaker`. */
    readonly speaker?: string | undefined;
  };

const FIRST = ['audio', 'lang', 'set', 'key', 'text'] as const;

/**
 * Writes a tab-separated manifest whose audio paths are relative to it; the file is written completely or not at all. Its
 * columns are those that some clip has; clips are written as they come, so that there may be any number of them.
 * @throws UserError where it cannot be written, or the name of a recording has a tab or line break; what `clips` throws
 */
export async function writeManifest(
  path: string,
  clips: Iterable<CorpusClip> | AsyncIterable<CorpusClip>,
): Promise<void> {
  const folder = resolve(dirname(path));
  /** Places of the columns in the lines as they are first written. */
  const places = new Map<string, number>(FIRST.map((name, place) => [name, place]));
  const lines = async function* (): AsyncGenerator<string> {
    for await (const clip of clips) {
      const cells: string[] = new Array(places.size).fill('');
      const set = (name: string, value: string): void => {
        if (value === '') return;
        let place = places.get(name);
        if (place === undefined) {
          place = places.size;
          places.set(name, place);
        }
        while (cells.length < place) cells.push('');
        cells[place] = oneLine(value);
      };
      const { audio, language, text = '', translations = {}, duration, speaker = '', other = {} } = clip;
      cells[0] = audio === '' ? '' : pathCell(relativeReference(folder, audio));
      set('lang', language);
      set('set', clip.set);
      set('key', clip.key);
      set('text', text);
      for (const [code, written] of Object.entries(translations)) set(`text_${code}`, written);
      if (duration !== undefined && !Number.isNaN(duration)) set('duration_s', duration.toFixed(3));
      set('speaker', speaker);
      for (const [name, value] of Object.entries(other)) set(name, value);
      yield cells.join('\t');
    }
  };
  let columns: readonly string[] = [];
  await writeSpooled(
    path,
    lines(),
    () => {
      const rest = [...places.keys()].slice(FIRST.length);
      const translations = rest.filter((name) => name.startsWith('text_')).sort();
      const others = rest.filter((name) => !['duration_s', 'speaker', ...translations].includes(name));
      const speaker = places.has('speaker') ? ['speaker'] : [];
      columns = [...FIRST, ...translations, 'duration_s', ...speaker, ...others];
      return columns.join('\t');
    },
    (line) => {
      const cells = line.split('\t');
      return columns.map((name) => cells[places.get(name) ?? -1] ?? '').join('\t');
    },
  );
}

/** A name of a file may hold any blanks but those that end a cell. @throws UserError for one that does */
function pathCell(path: string): string {
  if (!/[\t\n\r]/.test(path)) return path;
  throw new UserError(
    `${excerpt(path, 200)}: found a tab or a line break in the name; expected none, as a manifest's rows end there`,
  );
}

const oneLine = (cell: string): string => cell.replace(/\s+/g, ' ').trim();
