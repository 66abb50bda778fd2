/** Extremes of lists of any length: `Math.max(...list)` ends the program at about 125,000 entries. */

/** Largest value of a list; -Infinity of an empty one. */
export function largest<T>(list: Iterable<T>, measure: (item: T) => number): number {
  let most = Number.NEGATIVE_INFINITY;
  for (const item of list) most = Math.max(most, measure(item));
  return most;
}

/** Smallest value of a list; Infinity of an empty one. */
export const smallest = <T>(list: Iterable<T>, measure: (item: T) => number): number =>
  -largest(list, (item) => -measure(item));
