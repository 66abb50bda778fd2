/** Simplified and Traditional Chinese: which script a text is in, and conversion that leaves the right one alone. */

import { createRequire } from 'node:module';
import type { ConverterFunction } from 'opencc-js';
import { SIMPLIFIED_ONLY, TRADITIONAL_ONLY } from './chinese-characters.ts';

type OpenCC = typeof import('opencc-js');

let t2s: ConverterFunction | undefined;
let s2tw: ConverterFunction | undefined;

/**
 * Traditional to Simplified Chinese as OpenCC's `t2s` (opencc-js), without regional vocabulary, and 看著 to 看着.
 * Text that is in Simplified characters already comes back as it was (乾安县, which `t2s` turns into 干安县); see
 * {@link convertScript} for what counts as such. The dictionary is loaded at the first call that needs it (20 ms).
 */
export function toSimplified(text: string): string {
  return convertScript(text, TRADITIONAL_ONLY, SIMPLIFIED_ONLY, (part) => {
    t2s ??= (createRequire(import.meta.url)('opencc-js/t2cn') as OpenCC).Converter({ from: 't', to: 'cn' });
    return t2s(part.replace(ASPECT_PARTICLE, '着'));
  });
}

/**
 * Simplified to Traditional Chinese in the characters of Taiwan (OpenCC's `s2tw`), which `zh-Hant` means where no
 * region is named (CLDR's likely subtags). Text that is in Traditional characters already comes back as it was,
 * whatever its region's variants. The dictionary is loaded at the first call that needs it (0.3 s).
 */
export function toTraditional(text: string): string {
  return convertScript(text, SIMPLIFIED_ONLY, TRADITIONAL_ONLY, (part) => {
    s2tw ??= (createRequire(import.meta.url)('opencc-js/cn2t') as OpenCC).Converter({ from: 'cn', to: 'tw' });
    return s2tw(part);
  });
}

/**
 * 著 where Taiwan writes so for 着 (看著, 沿著, 著急) and not for "to write" or "outstanding" (著名, 原著, 顯著).
 * Taiwan's list of phrases in OpenCC (`tw2s`) has too few of the latter: it turns 原著 into 原着 and 土著 into 土着.
 * The words are those that CC-CEDICT writes with 著 in Simplified characters, but not where a particle may stand before
 * the second character: 寫著名字, 忙著作業, 討論著.
 */
const ASPECT_PARTICLE =
  /(?<![原名土專专巨鉅拙編编譯译遺遗昭卓顯显較较彰素知撰]|(?<![討讨議议談谈評评爭争辯辩])[論论]|合(?!著[眼嘴雙双手]))著(?!名(?![字單单])|作(?![業业])|者|[稱称述]|[錄录](?![影音像])|[書书]立[說说]|有[《「『])/gu;

/** Ends of sentences: in mixed text each sentence is converted on its own. */
const AFTER_SENTENCE = /(?<=[。！？；!?;\n…])/u;

/**
 * Converts a text unless it is in the wanted script already, judged by the characters that exist in one script only.
 *
 * - Some of the wanted script, none of the other: comes back as it was, ambiguous characters (乾, 后, 著) included.
 * - None of the wanted script: converted, also where every character is in both (看著他, 乾杯).
 * - Some of both: sentence by sentence; one without characters of a single script is converted.
 */
function convertScript(
  text: string,
  unwanted: ReadonlySet<string>,
  wanted: ReadonlySet<string>,
  convert: (part: string) => string,
): string {
  const has = (part: string, script: ReadonlySet<string>): boolean => [...part].some((c) => script.has(c));
  if (!has(text, wanted)) return convert(text);
  if (!has(text, unwanted)) return text;
  return text
    .split(AFTER_SENTENCE)
    .map((part) => (has(part, wanted) && !has(part, unwanted) ? part : convert(part)))
    .join('');
}
