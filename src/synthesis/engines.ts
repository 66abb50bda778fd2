/** The table of engines, and the voices that a user names or that are installed. */
import { UserError } from '../errors.ts';
import { sameLanguage } from '../language/profile.ts';
import { command, commandWords } from './engines/command.ts';
import type { EngineKind, EngineVoice } from './engines/engine.ts';
import { espeakNg } from './engines/espeak-ng.ts';
import { flite } from './engines/flite.ts';
import { installedVersion } from './engines/installed.ts';

export const ENGINES: readonly EngineKind[] = [flite, espeakNg, command];

/** A voice of an engine, as the manifest names it. */
export interface Voice {
  /** `flite/slt`, `command/1` */
  readonly name: string;
  readonly engine: EngineKind;
  readonly language: string;
  readonly fixedPitch: boolean;
  /** The user's, for `command/…`. */
  readonly command: string;
}

/** How engines that are not there are installed. */
const installing = (): string =>
  ENGINES.flatMap(({ name, package: of, license }) =>
    of === undefined ? [] : [`npm install ${of} (${name}, ${license})`],
  ).join(', or ');

/** Engines from npm that are installed. */
const installedEngines = (): EngineKind[] =>
  ENGINES.filter(({ package: of }) => of !== undefined && installedVersion(of) !== undefined);

/** Versions of the engines behind voices: another version may speak otherwise. */
export const engineVersions = (voices: readonly Voice[]): Record<string, string> =>
  Object.fromEntries(
    voices.map(({ engine }) => [engine.name, (engine.package && installedVersion(engine.package)) ?? '']),
  );

const namedVoice = (engine: EngineKind, { name, language, fixedPitch = false }: EngineVoice): Voice => ({
  name: `${engine.name}/${name}`,
  engine,
  language,
  fixedPitch,
  command: '',
});

/**
 * The voices to speak with.
 * @param names `flite/slt`, or `flite` for all of an engine's in the language. Default: those of all engines that are installed
 * @param commands the user's own, each a voice
 * @param voicesOf all voices of an engine
 * @throws UserError for a name that is none, or where there is no voice in the language
 */
export async function chooseVoices(
  language: string,
  names: readonly string[] | undefined,
  commands: readonly string[],
  voicesOf: (engine: EngineKind) => Promise<readonly EngineVoice[]>,
): Promise<Voice[]> {
  // A mistake in them is found before any work.
  for (const line of commands) commandWords(line);
  const voices: Voice[] = commands.map((line, i) => ({
    name: `command/${i + 1}`,
    engine: command,
    language,
    fixedPitch: true,
    command: line,
  }));
  const installed = installedEngines();
  const wanted = names ?? (commands.length > 0 ? [] : installed.map(({ name }) => name));
  for (const name of wanted) {
    const [engineName, voiceName] = name.split('/', 2) as [string, string | undefined];
    const engine = ENGINES.find((one) => one.name === engineName && one.package !== undefined);
    if (!engine) {
      const known = ENGINES.flatMap((one) => (one.package === undefined ? [] : one.name));
      throw new UserError(
        `--voices: found "${name}"; expected an engine (${known.join(', ')}) or a voice such as flite/slt`,
      );
    }
    if (!installed.includes(engine)) {
      throw new UserError(
        `--voices ${name}: the package ${engine.package} (${engine.license}) is not installed: npm install ${engine.package}`,
      );
    }
    const all = await voicesOf(engine);
    const spoken = all.filter((voice) => sameLanguage(voice.language, language));
    if (voiceName === undefined)
      voices.push(...spoken.map((voice) => namedVoice(engine, voice))); // few: an engine's voices
    else {
      // A timbre that is not in the list (`en-us+klatt2`) is looked for by the engine itself.
      const found = all.find(({ name: one }) => one === voiceName || one === voiceName.split('+')[0]);
      if (!found)
        throw new UserError(`--voices: ${engineName} has no voice "${voiceName}"; see --list-voices`);
      if (!sameLanguage(found.language, language)) {
        throw new UserError(
          `--voices: ${name} speaks ${found.language}; expected voices of --from ${language}`,
        );
      }
      voices.push(namedVoice(engine, { ...found, name: voiceName }));
    }
  }
  if (voices.length > 0) return voices;
  const there = installed.map(({ name }) => name).join(', ');
  throw new UserError(
    there === ''
      ? `found no engine that speaks; expected one of: ${installing()}, or --command`
      : `--from ${language}: found no voice in it (installed: ${there}); expected ${installing()}, or --command`,
  );
}
