/**
 * Keys of a recipe that are defined but not built yet: a run that asks for one is refused, and the help says so. Whoever builds
 * one takes its line away, and nothing else needs to be told.
 */
export const NOT_BUILT: readonly string[] = [];
