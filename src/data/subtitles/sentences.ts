/** Where sentences of subtitles end. */
import { languageProfile } from '../../language/profile.ts';

const CLOSING = String.raw`["'»«”’“)\]」』›\s]*$`;
/** Unicode's marks that end sentences, in every script (property Sentence_Terminal). */
const END = new RegExp(String.raw`\p{Sentence_Terminal}${CLOSING}`, 'u');
/** Greek asks with the sign that is a semicolon elsewhere. */
const GREEK_END = new RegExp(`[;\u037e]${CLOSING}`, 'u');
const ELLIPSIS = new RegExp(String.raw`(?:…|\.\.+)${CLOSING}`, 'u');
/** An initial, or a title before a name. */
const ABBREVIATION =
  /(?:^|[\s(])(?:\p{Lu}|Mrs?|Ms|Dr|Prof|St|Nr|No|vs|z\. ?B|d\. ?h|bzw|ca|Mme|Mlle|Sra?|Dott)\.$/u;

/**
 * Whether a sentence ends with a text.
 * @param next what follows; it decides after an ellipsis, and after what may be an abbreviation
 */
export function endsSentence(text: string, next: string, language: string): boolean {
  if (ELLIPSIS.test(text)) return !/^["'»«„“¿¡(\s]*(?:…|\.\.|\p{Ll})/u.test(next);
  if (ABBREVIATION.test(text)) return false;
  return END.test(text) || (languageProfile(language).base === 'el' && GREEK_END.test(text));
}
