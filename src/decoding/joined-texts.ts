/**
 * Texts of segments, one after the other.
 * @param spaced whether a text without a space before it gets one
 */
export const joinedTexts = (texts: readonly string[], spaced: boolean): string =>
  texts
    .map((text) => (spaced && text !== '' && !/^\s/.test(text) ? ` ${text}` : text))
    .join('')
    .trim();
