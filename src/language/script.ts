/** Letters of a language's script, by Unicode's property of the same name. */
import { languageProfile } from './profile.ts';

/** Scripts of ISO 15924 that are not one script of Unicode. */
const MIXED_SCRIPTS: Readonly<Record<string, string>> = {
  Hans: 'Han',
  Hant: 'Han',
  Jpan: 'Han Hiragana Katakana',
  Kore: 'Hangul',
};

/** Unicode's scripts that a language is written in; none for a language of unknown script. */
export function scriptsOf(language: string): readonly string[] {
  const { script } = languageProfile(language);
  return script === undefined ? [] : (MIXED_SCRIPTS[script] ?? script).split(' ');
}

/** A pattern of one letter of these scripts. */
export const letterIn = (scripts: readonly string[]): RegExp =>
  new RegExp(`[${scripts.map((script) => `\\p{Script=${script}}`).join('')}]`, 'u');
