/** The settings of a corpus that is made in several runs: recordings of other settings do not mix with it. */
import { UserError } from '../errors.ts';
import { exists, readJson } from '../files/read.ts';
import { writeJson } from '../files/write-whole.ts';

/** Writes the settings, or compares them with those of the run before. @throws UserError where they differ */
export async function checkSettings(
  file: string,
  settings: Readonly<Record<string, unknown>>,
): Promise<void> {
  if (!(await exists(file))) return writeJson(file, settings);
  const before = (await readJson(file, 'settings of synthesise')) as Readonly<Record<string, unknown>> | null;
  if (typeof before !== 'object' || before === null)
    throw new UserError(`${file}: found no settings; expected those of synthesise`);
  for (const name of new Set([...Object.keys(before), ...Object.keys(settings)])) {
    const [found, given] = [before[name], settings[name]].map((value) => JSON.stringify(value) ?? 'none');
    if (found === given) continue;
    throw new UserError(
      `${file}: found recordings with ${name} ${found}, now ${given}; expected the same settings, or another --output`,
    );
  }
}
