/** Split of a probe's clips into training and test. */
import { UserError } from '../../errors.ts';
import { sfc32, shuffle } from '../../random.ts';

export interface SplitItem {
  readonly label: string;
  /** Clips of one group (a speaker, a sentence) are all on one side. */
  readonly group: string;
}

export interface SplitOptions {
  /** Share of each label's clips for testing, 0 to 1. */
  readonly testShare: number;
  readonly seed: number;
  /** What groups are, for messages: "voice". */
  readonly grouping: string;
}

/**
 * A seeded split, stratified by label: about `testShare` of each label's clips, at least one and not all, in whole groups.
 * @returns for each item, whether it is for testing
 * @throws UserError where a label has one group only
 */
export function stratifiedSplit(
  items: readonly SplitItem[],
  { testShare, seed, grouping }: SplitOptions,
): boolean[] {
  const total = countLabels(items);
  const groups = new Map<string, SplitItem[]>();
  for (const item of items) groups.set(item.group, [...(groups.get(item.group) ?? []), item]);
  for (const label of total.keys()) {
    const own = new Set(items.filter((item) => item.label === label).map(({ group }) => group));
    if (own.size < 2) {
      throw new UserError(
        `label "${label}": found ${total.get(label)} clips of one ${grouping}; expected at least two, ` +
          'one for training and one for testing',
      );
    }
  }
  const tested = new Map<string, number>();
  const chosen = new Set<string>();
  const order = shuffle([...groups.keys()], sfc32(seed));
  const fits = (group: string, limit: (label: string) => number): boolean =>
    [...countLabels(groups.get(group)!)].every(
      ([label, count]) => (tested.get(label) ?? 0) + count <= limit(label),
    );
  const choose = (group: string): void => {
    chosen.add(group);
    for (const [label, count] of countLabels(groups.get(group)!))
      tested.set(label, (tested.get(label) ?? 0) + count);
  };
  for (const group of order) {
    if (fits(group, (label) => Math.max(1, Math.round(testShare * total.get(label)!)))) choose(group);
  }
  // Groups may be larger than the share: then the smallest that leaves training clips.
  for (const label of total.keys()) {
    if (tested.has(label)) continue;
    const candidates = order
      .filter((group) => groups.get(group)!.some((item) => item.label === label))
      .sort((a, b) => groups.get(a)!.length - groups.get(b)!.length);
    const group = candidates.find((name) => fits(name, (of) => total.get(of)! - 1));
    if (group !== undefined) choose(group);
  }
  const untested = [...total.keys()].find((label) => !tested.has(label));
  if (untested !== undefined) {
    throw new UserError(
      `label "${untested}": found no ${grouping} that could be tested and leave every label training clips; ` +
        'expected more of them, or sets that are split by hand',
    );
  }
  return items.map(({ group }) => chosen.has(group));
}

function countLabels(items: readonly SplitItem[]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const { label } of items) counts.set(label, (counts.get(label) ?? 0) + 1);
  return counts;
}
