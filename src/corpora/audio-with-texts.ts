/** A folder of recordings with a text file beside each. */
import { basename, relative } from 'node:path';
import { isSoundName, recordingsIn } from '../audio/recordings-in.ts';
import { UserError } from '../errors.ts';
import { readText } from '../files/read.ts';
import { isLanguage } from '../language/profile.ts';
import { type Corpus, folderIn, isAmong, onlyLanguage, type Source, setIn, writtenOf } from './corpus.ts';

/** Bytes of what is said in a clip. */
const MAX_TEXT_BYTES = 1 << 20;

/** Whether some recording has a text beside it. */
function hasPair({ names }: Source): boolean {
  const stems = new Set(names.filter(isSoundName).map((name) => name.replace(/\.[^.]+$/, '')));
  return names.some(
    (name) =>
      name.endsWith('.txt') &&
      (stems.has(name.slice(0, -4)) || stems.has(name.replace(/\.[\w-]+\.txt$/, ''))),
  );
}

/** `a.wav` with `a.txt` (what is said), `a.en.txt`, `a.de.txt`; in any folders below, whose names may say the set. */
export const audioWithTexts: Corpus = {
  name: 'folder',
  about: 'a folder of recordings with a text file beside each: a.wav, a.txt, a.de.txt',
  source: 'the folder',
  options: [],
  example: 'prepare folder my-talks --from en --output m.tsv',
  async recognises(source) {
    if (hasPair(source)) return true;
    for (const name of source.names.filter((one) => setIn(one) !== '').slice(0, 20)) {
      const inside = await folderIn(source.path, name);
      if (inside && hasPair(inside)) return true;
    }
    return false;
  },
  async *read(sources, reading) {
    const language = onlyLanguage(reading, 'a folder');
    for (const source of sources) {
      const { recordings, others } = await recordingsIn(source);
      /** Text files by what they have in common with a recording's name. */
      const texts = new Map<string, string[]>();
      for (const file of others.filter((path) => path.endsWith('.txt'))) {
        const [, stem = '', code] =
          /^(.*?)(?:\.([A-Za-z]{2,3}(?:[-_][A-Za-z]{2,4})?))?\.txt$/s.exec(file) ?? [];
        const name = code !== undefined && isLanguage(code) ? stem : file.slice(0, -4);
        texts.set(name, [...(texts.get(name) ?? []), file]);
      }
      if (texts.size === 0)
        throw new UserError(
          `${source}: found no text files; expected one beside each recording, such as a.txt beside a.wav`,
        );
      for (const audio of recordings) {
        const stem = audio.replace(/\.[^./\\]+$/, '');
        const files = texts.get(stem) ?? [];
        let text = '';
        const translations: Record<string, string> = {};
        let wrong: string | undefined;
        for (const file of files) {
          const content = await readText(file, 'what is said in a recording', MAX_TEXT_BYTES).catch(
            (error: unknown) => {
              if (!(error instanceof UserError)) throw error;
              wrong = error.message;
              return '';
            },
          );
          const code = file.slice(stem.length + 1, -4);
          if (code === '') text = content;
          else if (isAmong(writtenOf(code), [language])) text ||= content;
          else translations[writtenOf(code)] = content;
        }
        if (wrong !== undefined) reading.skip(audio, 'a text that does not read', wrong);
        else if (files.length === 0)
          reading.skip(audio, 'no text', `beside it; expected ${basename(stem)}.txt`);
        else
          yield {
            audio,
            language,
            set: setIn(relative(source, audio)),
            key: relative(source, stem),
            text,
            translations,
          };
      }
    }
  },
};
