/** Former names of keys and values of recipes, which are still read. */

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

/** A recipe, or a part of one, with former keys and values replaced. */
export function withCurrentNames(recipe: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(recipe).map(([section, values]) => {
      if (typeof values !== 'object' || values === null || Array.isArray(values)) return [section, values];
      const byPath = Object.entries(values).map(([key, value]) => [`${section}.${key}`, value]);
      const current = Object.entries(withCurrentPaths(Object.fromEntries(byPath)));
      return [
        section,
        Object.fromEntries(current.map(([path, value]) => [path.slice(section.length + 1), value])),
      ];
    }),
  );
}
