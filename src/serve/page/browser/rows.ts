/** Original and translation side by side: which stretches of text belong together. */

export type Side = 'original' | 'translation';
export const SIDES: readonly Side[] = ['original', 'translation'];

export interface TimedWord {
  readonly start: number;
  readonly end: number;
  /** With the spaces around it: the words joined are the text. */
  readonly text: string;
}

/** A stretch of text. Times in seconds of the recording. */
export interface Piece {
  readonly start: number;
  readonly end: number;
  readonly text: string;
  readonly words?: readonly TimedWord[];
  /** Of a translation by a model that writes English first: its English. */
  readonly english?: Piece;
}

/** Pieces of both sides that are shown beside each other. */
export interface Row {
  readonly start: number;
  readonly end: number;
  readonly pieces: Readonly<Record<Side, readonly Piece[]>>;
}

/** Pieces of two sides that overlap less than this, in seconds, are of different rows. */
const OVERLAP = 0.3;

/** Rows of both texts: English that was written first stands beside what was made of it, whatever the times are. */
export function rowsOf(pieces: Readonly<Record<Side, readonly Piece[]>>): Row[] {
  if (!pieces.translation.some(({ english }) => english !== undefined)) return alignRows(pieces);
  return pieces.translation.map((piece) => {
    const { start, end, english = { start, end, text: '' } } = piece;
    return { start, end, pieces: { original: [english], translation: [piece] } };
  });
}

/** Rows as short as they can be such that no piece belongs to two of them. */
export function alignRows(pieces: Readonly<Record<Side, readonly Piece[]>>): Row[] {
  const all = SIDES.flatMap((side) => pieces[side].map((piece) => ({ side, piece }))).sort(
    (a, b) => a.piece.start - b.piece.start,
  );
  const rows: { start: number; end: number; pieces: Record<Side, Piece[]> }[] = [];
  for (const { side, piece } of all) {
    const last = rows.at(-1);
    if (last && piece.start < last.end - OVERLAP) {
      last.end = Math.max(last.end, piece.end);
      last.pieces[side].push(piece);
      continue;
    }
    const own: Record<Side, Piece[]> = { original: [], translation: [] };
    own[side].push(piece);
    rows.push({ start: piece.start, end: piece.end, pieces: own });
  }
  return rows;
}

/**
 * The words of a segment with the spaces and punctuation that stand between them in its text, as answers of the API have words
 * without. @returns undefined where the words are not those of the text
 */
export function wordsInText(text: string, words: readonly TimedWord[]): TimedWord[] | undefined {
  const found: TimedWord[] = [];
  let at = 0;
  for (const [i, word] of words.entries()) {
    const bare = word.text.trim();
    const place = text.indexOf(bare, at);
    if (place < 0) return undefined;
    const next = words[i + 1]?.text.trim();
    const end = place + bare.length;
    const until = next === undefined ? text.length : text.indexOf(next, end);
    if (until < 0) return undefined;
    found.push({ start: word.start, end: word.end, text: text.slice(at, until) });
    at = until;
  }
  return found.length > 0 ? found : undefined;
}

/** A segment with its words, where they are those of its text. */
export function withWords(piece: Piece, words: readonly TimedWord[]): Piece {
  const timed = wordsInText(piece.text, words);
  return timed ? { ...piece, words: timed } : piece;
}

/** Index of the last of these, sorted by their start, that has begun at `time`; −1 before the first. */
export function begunAt(sorted: readonly { readonly start: number }[], time: number): number {
  let [low, high] = [0, sorted.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (sorted[middle]!.start <= time) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}

/** The part of `pending` that ends a sentence, and the rest: what is read aloud is whole sentences. */
export function wholeSentences(pending: string): [whole: string, rest: string] {
  const end = /^.*(?:[.!?…](?=\s)|[。！？])/s.exec(pending)?.[0].length ?? 0;
  return [pending.slice(0, end), pending.slice(end)];
}
