/** The text of segments as it grows: the deltas joined are the transcript's text. */
import { joinedTexts } from '../decoding/joined-texts.ts';

/** @param spaced whether a text without a space before it gets one, as in transcripts of translations */
export function textDeltas(spaced: boolean): (text: string) => string {
  const texts: string[] = [];
  let sent = 0;
  return (text) => {
    texts.push(text);
    const all = joinedTexts(texts, spaced);
    const delta = all.slice(sent);
    sent = all.length;
    return delta;
  };
}
