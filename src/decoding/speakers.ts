/** Who speaks in a transcript: turns found in the sound give each word, or each segment, its speaker. */
import type { SpeakerTurn } from '../speakers/turns.ts';
import type { Tokens } from '../whisper/tokens.ts';
import { textOfTokens } from './text-of-tokens.ts';
import type { LanguageSpan, Segment, Word } from './transcript.ts';

/**
 * The segment with its speaker. Where its words have times each word has its own, and the segment is split where they
 * change; otherwise it has the one who speaks most of it. Outside all turns it is that of the nearest.
 * @param turns in order; none: nobody speaks, and the segment stays as it is
 */
export function withSpeakers(segment: Segment, turns: readonly SpeakerTurn[], tokens: Tokens): Segment[] {
  if (turns.length === 0) return [segment];
  if (!segment.words || segment.words.length === 0)
    return [{ ...segment, speaker: speakerBetween(turns, segment.start, segment.end) }];
  const groups: { speaker: number; words: Word[] }[] = [];
  for (const word of segment.words) {
    const speaker = speakerBetween(turns, word.start, word.end);
    if (groups.at(-1)?.speaker !== speaker) groups.push({ speaker, words: [] });
    groups.at(-1)!.words.push({ ...word, speaker });
  }
  if (groups.length === 1) return [{ ...segment, ...groups[0]! }];
  const { tokens: ids, logProbabilities, english, spans, ...rest } = segment;
  const texts = groups.map(({ words }) => words.map(({ text }) => text).join(''));
  const cuts = cutsOf(texts, ids, tokens);
  let at = 0;
  return groups.map(({ speaker, words }, i): Segment => {
    const from = at;
    at += texts[i]!.length;
    const range = [cuts[i]!, cuts[i + 1]!] as const;
    return {
      ...rest,
      // Its English text has no word times: it stays whole.
      ...(i === 0 && english !== undefined && { english }),
      ...(spans && { spans: spansIn(spans, from, at) }),
      start: i === 0 ? segment.start : words[0]!.start,
      end: i === groups.length - 1 ? segment.end : Math.max(words[0]!.start, words.at(-1)!.end),
      text: texts[i]!,
      tokens: ids.slice(...range),
      logProbabilities: logProbabilities.slice(...range),
      words,
      speaker,
    };
  });
}

function speakerBetween(turns: readonly SpeakerTurn[], start: number, end: number): number {
  const seconds = new Map<number, number>();
  let nearest = turns[0]!;
  let distance = Number.POSITIVE_INFINITY;
  for (const turn of turns) {
    const shared = Math.min(end, turn.end) - Math.max(start, turn.start);
    if (shared > 0) seconds.set(turn.speaker, (seconds.get(turn.speaker) ?? 0) + shared);
    if (-shared < distance) [nearest, distance] = [turn, -shared];
  }
  if (seconds.size === 0) return nearest.speaker;
  return [...seconds].reduce((best, one) => (one[1] > best[1] ? one : best))[0];
}

/** Language spans of a part of the text, without times: those are its words'. */
const spansIn = (spans: readonly LanguageSpan[], begin: number, end: number): LanguageSpan[] =>
  spans
    .filter(({ from, to }) => from < end && to > begin)
    .map(({ language, from, to }) => ({
      language,
      from: Math.max(from, begin) - begin,
      to: Math.min(to, end) - begin,
    }));

/** Places in `ids` where the texts begin, and their end: timestamps before and after go to the first and the last. */
function cutsOf(texts: readonly string[], ids: readonly number[], tokens: Tokens): number[] {
  const cuts = [0];
  let wanted = 0;
  let end = 0;
  for (const text of texts.slice(0, -1)) {
    wanted += text.length;
    while (end < ids.length && textOfTokens(tokens, ids.slice(0, end)).length < wanted) end++;
    cuts.push(end);
  }
  return [...cuts, ids.length];
}
