/** Takes out of a subtitle what nobody says: tags, dashes and names of speakers, sound notes. */

export interface CleanText {
  /** One line; '' where nothing is said. */
  readonly text: string;
  /** Sound notes that were left out: `[Musik]`, `(laughs)`, `♪`. */
  readonly notes: readonly string[];
}

const ENTITIES: Readonly<Record<string, string>> = {
  amp: '&',
  lt: '<',
  gt: '>',
  quot: '"',
  apos: "'",
  nbsp: ' ',
  lrm: '',
  rlm: '',
};
/** Of HTML and WebVTT, and of SubStation: `<i>`, `<v Anna>`, `<00:01.000>`, `{\an8}`. */
const TAGS = /<\/?[a-zA-Z\d][^<>]*>|\{\\[^{}]*\}/g;
/** Hyphen, dashes; the hyphen of "-5 degrees" has no blank behind it, but some writers leave it out before words, too. */
const DASH = /^[-‐‑–—](?:\s+|(?=[^\s\d]))/;
/** Of a second speaker in a line: "Yes. - No." */
const INNER_DASH = /(?<=[.!?…])\s+[-–—]\s*(?=\p{Lu})/gu;
/** `ANNA:`, `MAN 2:`, `>> ANNA:`: of large letters alone, as names in sentences are not. */
const SPEAKER = /^(?:>>+\s*)?(?:(?=[^:]*\p{Lu}{2})[\p{Lu}\p{M}\d .'’-]{2,30}:(?!\d)\s*)?/u;
const BRACKETED = /\[[^[\]]*\]|［[^［］]*］|【[^【】]*】/gu;
/** A line in round brackets as a whole: within a sentence they are part of it. */
const PARENTHESISED = /^[(（][^()（）]*[)）][.!?]?$/u;
const MUSIC = /[♩♪♫♬🎵🎶]/u;

export function cleanCue(raw: string): CleanText {
  const notes: string[] = [];
  const lines: string[] = [];
  const plain = raw
    .replace(TAGS, '')
    .replace(/&(?:#(\d{1,7})|(\w{1,8}));/g, (all, code, name) =>
      code === undefined ? (ENTITIES[name.toLowerCase()] ?? all) : characterOf(Number(code)),
    )
    // Marks of direction and the like; of them only the joiners are part of words.
    .replace(/\p{Cf}/gu, (mark) => (/[\u200c\u200d]/.test(mark) ? mark : ''))
    .replace(BRACKETED, (note) => {
      notes.push(note.replace(/\s+/g, ' '));
      return ' ';
    });
  for (const line of plain.split('\n')) {
    // What is sung stands between notes.
    if (MUSIC.test(line)) {
      notes.push('♪');
      continue;
    }
    const rest = line
      .trim()
      .replace(DASH, '')
      .replace(SPEAKER, '')
      .replace(DASH, '')
      .replace(INNER_DASH, ' ')
      .trim();
    if (PARENTHESISED.test(rest)) notes.push(rest);
    else if (/[\p{L}\p{N}]/u.test(rest)) lines.push(rest);
  }
  return { text: lines.join(' ').replace(/\s+/g, ' ').trim(), notes };
}

const characterOf = (code: number): string =>
  code > 31 && code <= 0x10ffff ? String.fromCodePoint(code) : '';
