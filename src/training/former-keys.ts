/** What recipes, and the settings in checkpoints, called things before. */

/** Former keys and values of recipes, still read. */
const RENAMED_KEYS: Readonly<Record<string, string>> = { 'data.mostPadding': 'data.maxPadding' };
const RENAMED_VALUES: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  'tune.embedding': { dense: 'trained' },
};

/** Values by path, such as a checkpoint's settings, with former keys and values replaced. */
export function withCurrentPaths<Value>(
  values: Readonly<Record<string, Value>>,
): Record<string, Value | string> {
  return Object.fromEntries(
    Object.entries(values).map(([path, value]) => [
      RENAMED_KEYS[path] ?? path,
      RENAMED_VALUES[path]?.[String(value)] ?? value,
    ]),
  );
}
