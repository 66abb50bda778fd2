/** The corpora that `prepare` knows, and which of them a source is. */
import { UserError } from '../errors.ts';
import { audioWithTexts } from './audio-with-texts.ts';
import { commonVoice } from './common-voice.ts';
import { type Corpus, lookAt } from './corpus.ts';
import { covost } from './covost.ts';
import { fleurs } from './fleurs.ts';
import { kaldi } from './kaldi.ts';
import { lhotse } from './lhotse.ts';
import { mls } from './mls.ts';
import { europarlSt, mustC } from './segmented-talks.ts';
import { audioFolder, table } from './table.ts';
import { voxpopuli } from './voxpopuli.ts';
import { webdataset } from './webdataset.ts';

/** In the order in which a source is looked at: the first that recognises it reads it. */
export const CORPORA: readonly Corpus[] = [
  fleurs,
  covost,
  commonVoice,
  mustC,
  europarlSt,
  voxpopuli,
  mls,
  lhotse,
  kaldi,
  audioFolder,
  audioWithTexts,
  webdataset,
  table,
];

/** The corpus of a name; undefined where there is none. */
export const corpusNamed = (name: string): Corpus | undefined =>
  CORPORA.find((corpus) => corpus.name === name);

/**
 * The corpus that a source is, by the names of its files.
 * @throws UserError where it is none that is known
 */
export async function recogniseCorpus(path: string): Promise<Corpus> {
  const source = await lookAt(path);
  for (const corpus of CORPORA) if (await corpus.recognises(source)) return corpus;
  const few = source.names.slice(0, 6).join(', ');
  const found = !source.isFolder
    ? 'a file'
    : few === ''
      ? 'an empty folder'
      : `a folder with ${few}${source.names.length > 6 ? ' …' : ''}`;
  throw new UserError(
    `${path}: found ${found}, which is no corpus that is recognised; expected one of ${CORPORA.map(({ name }) => name).join(', ')}: name it before the source`,
  );
}
