/** The labelled clips of a manifest, split into training and test. */

import type { Clip } from '../../data/clip.ts';
import { readManifest } from '../../data/manifest.ts';
import { UserError } from '../../errors.ts';
import { checkColumn, columnOf } from './labels.ts';
import { stratifiedSplit } from './split.ts';

export interface SelectOptions {
  /** Column of the labels. */
  readonly label: string;
  /** Only these labels. */
  readonly only?: readonly string[];
  /** Sets for training; undefined: all that are not for testing. */
  readonly trainSets?: readonly string[];
  /** Sets for testing; undefined: a seeded share of all. */
  readonly testSets?: readonly string[];
  readonly testShare: number;
  /** Column whose values stay together on one side. */
  readonly group?: string;
  readonly seed: number;
}

export interface LabelledClip {
  readonly clip: Clip;
  /** Index into the labels. */
  readonly label: number;
  readonly test: boolean;
}

export interface Labelled {
  /** In alphabetical order. */
  readonly labels: readonly string[];
  readonly clips: readonly LabelledClip[];
  /** Number of skipped clips: without a label, or for testing with a label that training lacks. */
  readonly skipped: number;
}

/** Clips that have one of `only` (undefined: any label) in the column. @throws UserError where there are none */
export async function clipsWithLabel(
  manifest: string,
  { label, only }: Pick<SelectOptions, 'label' | 'only'>,
): Promise<{ clips: Clip[]; skipped: number }> {
  const all = await readManifest(manifest);
  checkColumn(manifest, all, label);
  const absent = only?.find((name) => !all.some((clip) => columnOf(clip, label) === name));
  if (absent !== undefined)
    throw new UserError(`${manifest}: found no clip with "${absent}" as "${label}"; expected some`);
  const clips = all.filter((clip) => {
    const value = columnOf(clip, label);
    return value !== '' && (only?.includes(value) ?? true);
  });
  return { clips, skipped: only ? 0 : all.length - clips.length };
}

export function ofSets(manifest: string, clips: readonly Clip[], sets: readonly string[]): Clip[] {
  const absent = sets.find((set) => !clips.some((clip) => clip.set === set));
  if (absent !== undefined) {
    const has = [...new Set(clips.map(({ set }) => set))].sort().join(', ');
    throw new UserError(`${manifest}: found no labelled clip of set "${absent}"; expected one of ${has}`);
  }
  return clips.filter(({ set }) => sets.includes(set));
}

export async function selectLabelled(manifest: string, options: SelectOptions): Promise<Labelled> {
  const { label, trainSets, testSets, testShare, group, seed } = options;
  const { clips: all, skipped } = await clipsWithLabel(manifest, options);
  if (group !== undefined) checkColumn(manifest, all, group);
  const used = trainSets ? ofSets(manifest, all, [...trainSets, ...(testSets ?? [])]) : all;
  if (testSets) ofSets(manifest, all, testSets);
  const isTest = testSets ? used.map(({ set }) => testSets.includes(set)) : undefined;
  const training = used.filter((_, i) => !isTest?.[i]);
  const labels = [...new Set(training.map((clip) => columnOf(clip, label)))].sort();
  if (labels.length < 2) {
    const found = labels.length === 1 ? `only "${labels[0]}"` : 'nothing';
    throw new UserError(
      `${manifest}: found ${found} as "${label}" of the clips to learn from; expected at least two labels`,
    );
  }
  const test =
    isTest ??
    stratifiedSplit(
      used.map((clip) => ({
        label: columnOf(clip, label),
        group: group === undefined ? clip.audio : columnOf(clip, group),
      })),
      { testShare, seed, grouping: group ?? 'recording' },
    );
  const place = new Map(labels.map((name, i) => [name, i]));
  const clips = used.flatMap((clip, i) => {
    const index = place.get(columnOf(clip, label));
    return index === undefined ? [] : [{ clip, label: index, test: test[i]! }];
  });
  if (!clips.some((one) => one.test))
    throw new UserError(`${manifest}: found no test clip with a label of the training set; expected some`);
  return { labels, clips, skipped: skipped + used.length - clips.length };
}
