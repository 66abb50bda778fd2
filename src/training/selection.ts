/** Fingerprints of the clips of a run: which, in which order, with which texts and windows. */
import { dirname, resolve, sep } from 'node:path';
import { relativeReference } from '../audio/audio-reference.ts';
import { type Clip, referenceIn } from '../data/clip.ts';
import { clipFiles } from '../data/recording.ts';
import { UserError } from '../errors.ts';
import { recordingLengths } from '../features/recording-lengths.ts';
import type { RecordingMemo } from '../features/recording-memo.ts';
import { Fingerprint } from '../files/fingerprint.ts';
import { stageProgress, type WorkOptions } from '../report/progress.ts';
import { SAMPLES_PER_FRAME, type WindowMode, windowFrames } from '../whisper/encoded-clip.ts';
import type { Example } from './batches.ts';
import type { TextExample } from './examples.ts';
import { manifestOf, type Recipe } from './recipe.ts';

type Selected = TextExample<Clip, Example['clip']>;

/** Rows that are hashed together. */
const ROWS = 1024;

/**
 * Over the texts, not their tokens: the model's tokenizer has a fingerprint of its own. The window decides in which batch
 * a clip comes.
 */
export function selectionFingerprint({ data }: Recipe, examples: readonly Selected[]): string {
  return fingerprintOfRows(data, examples, ({ source, target, separator, clip: { window } }) => [
    window,
    source.language,
    target,
    referenceIn(source, target),
    ...(separator === undefined ? [] : [referenceIn(source, 'en')]),
  ]);
}

/** As up to version 0.2: over tokens, and with the lengths of the clips, which do not matter beside their windows. */
function formerFingerprint(
  { data }: Recipe,
  examples: readonly Selected[],
  shapeOf: (i: number) => Pick<Selected['clip'], 'window' | 'length'>,
): string {
  return fingerprintOfRows(data, examples, ({ tokens }, i) => {
    const { window, length } = shapeOf(i);
    return [window, length, ...tokens];
  });
}

function fingerprintOfRows(
  { corpora }: Recipe['data'],
  examples: readonly Selected[],
  contentOf: (example: Selected, i: number) => readonly (string | number)[],
): string {
  const hash = new Fingerprint();
  const folders = corpora.map((corpus) => resolve(dirname(manifestOf(corpus))));
  for (let start = 0; start < examples.length; start += ROWS) {
    const rows = examples.slice(start, start + ROWS).map((example, i) => {
      const { corpus, source } = example;
      const folder = folders[corpus]!;
      const files = clipFiles(source).map((file) =>
        file.startsWith(folder + sep) ? file.slice(folder.length + 1) : relativeReference(folder, file),
      );
      return JSON.stringify([corpus, ...files, ...contentOf(example, start + i)]);
    });
    hash.add(`${start === 0 ? '[' : ','}${rows.join()}`);
  }
  return `${examples.length} (${hash.add(']').hex(12)})`;
}

export interface FormerSelectionOptions extends WorkOptions {
  readonly memo: RecordingMemo;
  readonly window: WindowMode;
}

/**
 * Whether a checkpoint's fingerprint, as earlier versions made it, is of the same clips. They took the lengths from the
 * recordings, also where the manifest has `duration_s`.
 * @throws UserError where the clips are the same, and their batches would not be
 */
export async function isFormerSelection(
  found: unknown,
  recipe: Recipe,
  examples: readonly Selected[],
  { memo, window, signal, ...work }: FormerSelectionOptions,
): Promise<boolean> {
  if (typeof found !== 'string' || !found.startsWith(`${examples.length} (`)) return false;
  if (formerFingerprint(recipe, examples, (i) => examples[i]!.clip) === found) return true;
  if (recipe.augment || examples.every(({ source }) => Number.isNaN(source.duration))) return false;
  const clips = examples.map(({ source }) => ({ ...source, duration: Number.NaN }));
  const lengths = await recordingLengths(memo, clips, {
    onProgress: stageProgress(work, 'comparing with the checkpoint', clips.length),
    signal,
  });
  const shapes = lengths.map((samples = 0) => {
    const frames = windowFrames(samples, window);
    return { window: frames, length: Math.min(frames, Math.ceil(samples / SAMPLES_PER_FRAME)) };
  });
  if (formerFingerprint(recipe, examples, (i) => shapes[i]!) !== found) return false;
  const other = examples.filter(({ clip }, i) => clip.window !== shapes[i]!.window);
  if (other.length === 0) return true;
  throw new UserError(
    `--resume: the run was begun by an earlier version, which took the lengths of clips from the recordings and not from ` +
      `"duration_s"; ${other.length} of ${examples.length} would come in other batches (${other[0]!.source.audio}); ` +
      'a manifest without the column "duration_s" resumes it as it was',
  );
}
