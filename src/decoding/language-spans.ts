/** Spans of languages of a segment, with times by its words. */
import type { SpansOf } from '../language/spans.ts';
import type { LanguageSpan, Segment } from './transcript.ts';

/** The segment with its spans. A word with letters of two spans (an English one with a Russian ending) is the first one's. */
export function withSpans(segment: Segment, spansOf: SpansOf): Segment {
  const spans: LanguageSpan[] = spansOf(segment.text);
  if (!segment.words) return { ...segment, spans };
  let at = 0;
  const words = segment.words.map(({ text, start, end }) => {
    const letter = Math.max(0, text.search(/\p{L}/u));
    const place = at + letter;
    at += text.length;
    return { place, start, end };
  });
  const timed = spans.map((span): LanguageSpan => {
    const own = words.filter(({ place }) => place >= span.from && place < span.to);
    const [first, last] = [own[0], own.at(-1)];
    return first && last ? { ...span, start: first.start, end: last.end } : span;
  });
  return { ...segment, spans: timed };
}
