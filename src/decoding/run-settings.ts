/** Settings of a run, kept with its results: results of other settings are not continued. */
import { UserError } from '../errors.ts';

/** Settings that the results depend on (model, language, task, beam size); small, and equal for the whole file. */
export type Settings = Readonly<Record<string, string | number | boolean>>;

export function checkSettings(where: string, found: Settings, expected: Settings): void {
  for (const name of new Set([...Object.keys(expected), ...Object.keys(found)])) {
    if (found[name] === expected[name]) continue;
    const [was, is] = [found[name], expected[name]].map((value) => JSON.stringify(value) ?? 'not set');
    throw new UserError(
      `${where}: found results with ${name} ${was}; expected ${is} as in this run, or another file for it`,
    );
  }
}
