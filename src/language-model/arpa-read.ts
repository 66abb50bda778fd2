/** Reads language models in ARPA format, plain or gzipped, in one pass over the bytes. */
import { createReadStream } from 'node:fs';
import { open } from 'node:fs/promises';
import { createGunzip } from 'node:zlib';
import { excerpt, UserError } from '../errors.ts';
import { ByteWords } from './byte-words.ts';
import {
  LanguageModel,
  MAX_ORDER,
  NO_CONTEXT,
  SENTENCE_END,
  SENTENCE_START,
  UNKNOWN,
  UNKNOWN_ID,
} from './model.ts';
import { MAX_NGRAMS, NgramTable } from './ngram-table.ts';

const CHUNK = 2 ** 20;
/** Longest line, an n-gram; a file with a longer one is no ARPA file. */
const MAX_LINE = 2 ** 20;
/** log10 probability of `<unk>` in a file that lacks it, as in KenLM. */
const MISSING_UNKNOWN_LOG10 = -100;

/** Spelling of some programs. */
const OTHER_UNKNOWN = '<UNK>';

const [TAB, NEWLINE, RETURN, SPACE, HASH, MINUS, POINT, ZERO, BACKSLASH] = [
  9, 10, 13, 32, 35, 45, 46, 48, 92,
];
const POWERS_OF_TEN = Array.from({ length: 16 }, (_, i) => 10 ** i);
const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/**
 * Reads an ARPA file as KenLM does: `<unk>` (or `<UNK>`) has log10 probability -100 where the file does not have it,
 * a missing back-off is 0, every context must be an n-gram of the file. Unlike there, n-grams given twice are refused,
 * and models of order 1 are taken.
 *
 * @param onProgress called with the bytes read, and all bytes
 * @throws UserError naming file and line, what was found and what was expected
 */
export async function readArpa(
  path: string,
  onProgress?: (bytes: number, total: number) => void,
): Promise<LanguageModel> {
  const { size, gzipped } = await look(path);
  const source = createReadStream(path, { highWaterMark: CHUNK });
  const input = gzipped ? source.pipe(createGunzip({ chunkSize: CHUNK })) : source;
  source.on('error', (error) => input.destroy(error));
  const parser = new ArpaParser(path, size);
  try {
    let rest: Buffer = Buffer.alloc(0);
    for await (const chunk of input as AsyncIterable<Buffer>) {
      const bytes = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
      let start = 0;
      for (let end = bytes.indexOf(NEWLINE); end !== -1; end = bytes.indexOf(NEWLINE, start)) {
        parser.line(bytes, start, end);
        start = end + 1;
      }
      rest = bytes.subarray(start);
      if (rest.length > MAX_LINE) parser.fail(`a line of more than ${MAX_LINE} bytes`, 'an ARPA file');
      onProgress?.(source.bytesRead, size);
    }
    if (rest.length > 0) parser.line(rest, 0, rest.length);
  } catch (error) {
    if (error instanceof UserError) throw error;
    const { code, message } = error as NodeJS.ErrnoException;
    // Z_BUF_ERROR: the compressed data ends too early. Other codes of zlib: damaged.
    if (code === 'Z_BUF_ERROR') parser.fail('the end of the gzipped data', 'the whole file: it was cut off');
    if (code?.startsWith('Z_'))
      parser.fail(`damaged gzip data (${message})`, 'an ARPA file, plain or gzipped');
    if (code?.startsWith('E')) throw new UserError(`${path}: found a file that does not read (${code})`);
    throw error;
  } finally {
    source.destroy();
  }
  return parser.model();
}

async function look(path: string): Promise<{ size: number; gzipped: boolean }> {
  try {
    const file = await open(path);
    try {
      const stat = await file.stat();
      if (!stat.isFile()) throw new UserError(`${path}: found no regular file; expected an ARPA file`);
      const magic = Buffer.alloc(2);
      await file.read(magic, 0, 2, 0);
      return { size: stat.size, gzipped: magic[0] === 0x1f && magic[1] === 0x8b };
    } finally {
      await file.close();
    }
  } catch (error) {
    if (error instanceof UserError) throw error;
    const { code } = error as NodeJS.ErrnoException;
    const found = code === 'ENOENT' ? 'no such file' : `a file that does not open (${code})`;
    throw new UserError(`${path}: found ${found}; expected a language model in ARPA format`);
  }
}

/** Parses the file line by line. Node numbers are those of {@link NgramNodes}. */
class ArpaParser {
  readonly #path: string;
  readonly #size: number;
  #lineNumber = 0;
  #section: 'before' | 'counts' | 'n-grams' | 'after' = 'before';
  /** By order less one, as the header promises. */
  #counts: number[] = [];
  /** Order of the section; 0 before the first. */
  #order = 0;
  /** Number of n-grams of the section so far. */
  #read = 0;
  /** `<unk>` is the word 0, whether or not the file has it. */
  readonly #words = new ByteWords();
  readonly #names: string[] = [UNKNOWN];
  #sawUnknown = false;
  #longer = new NgramTable();
  #probability = new Float32Array(0);
  #backoff = new Float32Array(0);
  /** By node: the longest suffix that is a node. */
  #suffix = new Int32Array(0);
  /** By node: 1 where longer n-grams begin with it. */
  #isContext = new Uint8Array(0);
  readonly #ids = new Int32Array(MAX_ORDER);
  /** Where the last word that was read begins, and where it or the last number ends. */
  #from = 0;
  #at = 0;

  constructor(path: string, size: number) {
    this.#path = path;
    this.#size = size;
    const unknown = Buffer.from(UNKNOWN);
    this.#words.add(unknown, 0, unknown.length);
  }

  fail(found: string, expected: string): never {
    throw new UserError(`${this.#path}:${this.#lineNumber}: found ${found}; expected ${expected}`);
  }

  /** The line `bytes[start..end)`, without its line feed. */
  line(bytes: Buffer, start: number, end: number): void {
    this.#lineNumber++;
    if (end > start && bytes[end - 1] === RETURN) end--;
    if (this.#section === 'n-grams' && this.#read < this.#counts[this.#order - 1]!) {
      this.#ngram(bytes, start, end);
      return;
    }
    const text = () => bytes.toString('utf8', start, Math.min(end, start + 200)).trim();
    const blank = isBlank(bytes, start, end);
    if (this.#section === 'before') {
      if (blank || bytes[start] === HASH) return;
      if (text() !== '\\data\\')
        this.fail(excerpt(text()), 'the line "\\data\\" with which an ARPA file begins');
      this.#section = 'counts';
    } else if (this.#section === 'counts' && !blank && !text().startsWith('\\')) {
      this.#count(text());
    } else if (!blank) {
      if (this.#section === 'counts') this.#makeRoom();
      this.#heading(text());
    }
  }

  #count(text: string): void {
    const expected = `ngram ${this.#counts.length + 1}=<count>`;
    const [, order, count] = /^ngram +(\d+) *= *(\d+)$/.exec(text) ?? [];
    if (Number(order) !== this.#counts.length + 1) this.fail(excerpt(text), `"${expected}"`);
    if (this.#counts.length === MAX_ORDER) this.fail(excerpt(text), `a model of at most order ${MAX_ORDER}`);
    this.#counts.push(Number(count));
  }

  #makeRoom(): void {
    // A false count must not exhaust the memory: no n-gram takes less than a byte of the file, even gzipped.
    const nodes = Math.min(
      this.#size,
      MAX_NGRAMS,
      this.#counts.reduce((sum, count) => sum + count, 1),
    );
    this.#longer = new NgramTable(nodes);
    this.#resize(nodes);
  }

  #resize(nodes: number): void {
    const larger = <T extends Float32Array | Int32Array | Uint8Array>(array: T, to: T): T => {
      to.set(array);
      return to;
    };
    this.#probability = larger(this.#probability, new Float32Array(nodes));
    this.#backoff = larger(this.#backoff, new Float32Array(nodes));
    this.#suffix = larger(this.#suffix, new Int32Array(nodes));
    this.#isContext = larger(this.#isContext, new Uint8Array(nodes));
  }

  /** A line with a backslash, between the sections. */
  #heading(text: string): void {
    if (this.#section === 'after') this.fail(excerpt(text), 'nothing after "\\end\\"');
    const [order, orders] = [this.#order, this.#counts.length];
    if (orders === 0) this.fail(excerpt(text), '"ngram 1=<count>"');
    const next = order === orders ? '\\end\\' : `\\${order + 1}-grams:`;
    if (text !== next) {
      const more = /^[-+0-9.]/.test(text)
        ? `, as all ${this.#read} ${order}-grams of the header were read`
        : '';
      this.fail(excerpt(text), `"${next}"${more}`);
    }
    if (order === 1) this.#checkWords();
    if (order === orders) this.#section = 'after';
    else {
      this.#section = 'n-grams';
      this.#order++;
      this.#read = 0;
    }
  }

  #checkWords(): void {
    for (const word of [SENTENCE_START, SENTENCE_END]) {
      const bytes = Buffer.from(word);
      if (this.#words.find(bytes, 0, bytes.length) === -1)
        this.fail(`no ${word} among the 1-grams`, 'a model of sentences, which has it');
    }
  }

  /** `log10 probability, words, log10 back-off`; the last may be missing. */
  #ngram(bytes: Buffer, start: number, end: number): void {
    const order = this.#order;
    if (isBlank(bytes, start, end) || bytes[start] === BACKSLASH) {
      const found = excerpt(bytes.toString('utf8', start, Math.min(end, start + 200)));
      this.fail(
        `${found} after ${this.#read} ${order}-grams`,
        `${this.#counts[order - 1]}, as the header says`,
      );
    }
    const probability = this.#number(bytes, start, end, 'log10 probability');
    if (probability > 0) this.fail(`the log10 probability ${probability}`, 'at most 0');
    let node = NO_CONTEXT;
    let context = NO_CONTEXT;
    if (order === 1) node = this.#addWord(bytes, end);
    else {
      const ids = this.#ids;
      for (let i = 0; i < order; i++) ids[i] = this.#wordId(bytes, end);
      context = ids[0]!;
      for (let i = 1; i < order - 1 && context !== NO_CONTEXT; i++) context = this.#child(context, ids[i]!);
      if (context === NO_CONTEXT) {
        this.fail(
          excerpt(bytes.toString('utf8', start, end)),
          `its first ${order - 1} words as a ${order - 1}-gram of the file, too`,
        );
      }
      const last = ids[order - 1]!;
      const before = this.#longer.size;
      const added = this.#longer.add(context, last);
      if (added !== before)
        this.fail(`${excerpt(bytes.toString('utf8', start, end))} again`, 'each n-gram once');
      node = added + this.#names.length;
    }
    let backoff = 0;
    if (!isBlank(bytes, this.#at, end)) {
      backoff = this.#number(bytes, this.#at + 1, end, 'log10 back-off');
      if (!isBlank(bytes, this.#at, end))
        this.fail(excerpt(bytes.toString('utf8', start, end)), `a probability, ${order} words, a back-off`);
      if (order === this.#counts.length && backoff !== 0)
        this.fail(`the back-off ${backoff}`, 'none, as no longer n-grams follow');
    }
    if (node >= this.#probability.length) this.#resize(Math.max(1024, node * 2));
    this.#probability[node] = probability;
    this.#backoff[node] = backoff;
    this.#suffix[node] = NO_CONTEXT;
    if (order > 1) {
      this.#isContext[context] = 1;
      this.#suffix[node] = this.#longestSuffix(context, this.#ids[order - 1]!);
    }
    this.#read++;
  }

  #child(context: number, word: number): number {
    const found = this.#longer.find(context, word);
    return found < 0 ? NO_CONTEXT : found + this.#names.length;
  }

  /** Number of the longest proper suffix of the n-gram `context word` that is an n-gram. */
  #longestSuffix(context: number, word: number): number {
    for (let shorter = this.#suffix[context]!; shorter !== NO_CONTEXT; shorter = this.#suffix[shorter]!) {
      const node = this.#child(shorter, word);
      if (node !== NO_CONTEXT) return node;
    }
    return word;
  }

  #addWord(bytes: Buffer, end: number): number {
    this.#nextWord(bytes, end);
    let word: string;
    try {
      word = utf8.decode(bytes.subarray(this.#from, this.#at));
    } catch {
      this.fail('a word that is not UTF-8', 'UTF-8 text');
    }
    if (word === UNKNOWN || word === OTHER_UNKNOWN) {
      if (this.#sawUnknown) this.fail(`the word "${word}" again`, 'each n-gram once');
      this.#sawUnknown = true;
      return UNKNOWN_ID;
    }
    const before = this.#words.size;
    const id = this.#words.add(bytes, this.#from, this.#at);
    if (id !== before) this.fail(`the word ${excerpt(word)} again`, 'each n-gram once');
    this.#names.push(word);
    return id;
  }

  #wordId(bytes: Buffer, end: number): number {
    this.#nextWord(bytes, end);
    const id = this.#words.find(bytes, this.#from, this.#at);
    if (id >= 0) return id;
    const word = bytes.toString('utf8', this.#from, this.#at);
    if (word === OTHER_UNKNOWN) return UNKNOWN_ID;
    this.fail(`the word ${excerpt(word)} in a ${this.#order}-gram`, 'a word of the 1-grams');
  }

  /** Moves to the next word, which is `bytes[this.#from..this.#at)`. */
  #nextWord(bytes: Buffer, end: number): void {
    let from = this.#at;
    while (from < end && isSeparator(bytes[from]!)) from++;
    let to = from;
    while (to < end && !isSeparator(bytes[to]!)) to++;
    if (to === from) this.fail('too few words', `a probability, ${this.#order} words, a back-off`);
    this.#from = from;
    this.#at = to;
  }

  /** The number that begins at `bytes[start]`, white space aside. Exact, like `Number` of the same characters. */
  #number(bytes: Buffer, start: number, end: number, what: string): number {
    let from = start;
    while (from < end && isSeparator(bytes[from]!)) from++;
    let at = from;
    const negative = bytes[at] === MINUS;
    if (negative) at++;
    let digits = 0;
    let mantissa = 0;
    let decimals = 0;
    for (let afterPoint = false; at < end; at++) {
      const byte = bytes[at]!;
      if (byte >= ZERO && byte <= ZERO + 9) {
        mantissa = mantissa * 10 + (byte - ZERO);
        digits++;
        if (afterPoint) decimals++;
      } else if (byte === POINT && !afterPoint) afterPoint = true;
      else break;
    }
    this.#at = at;
    // Up to 15 digits are exact, and so is the power of ten: one division rounds once.
    if (digits > 0 && digits <= 15 && (at === end || isSeparator(bytes[at]!))) {
      const value = mantissa / POWERS_OF_TEN[decimals]!;
      return negative ? -value : value;
    }
    while (this.#at < end && !isSeparator(bytes[this.#at]!)) this.#at++;
    const text = bytes.toString('utf8', from, this.#at);
    if (!/^[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?$/i.test(text)) this.fail(excerpt(text), `a ${what}`);
    return Number(text);
  }

  /** The n-grams, once the file has ended. */
  model(): LanguageModel {
    if (this.#section !== 'after')
      this.fail('the end of the file', '"\\end\\": it was cut off, or is no ARPA file');
    const [suffix, state] = [this.#suffix, new Int32Array(this.#names.length + this.#longer.size)];
    if (!this.#sawUnknown) {
      this.#probability[UNKNOWN_ID] = MISSING_UNKNOWN_LOG10;
      suffix[UNKNOWN_ID] = NO_CONTEXT;
    }
    // Suffixes are of lower order and so have lower numbers: theirs is known when it is needed.
    for (let node = 0; node < state.length; node++) {
      const shorter = suffix[node] === NO_CONTEXT ? NO_CONTEXT : state[suffix[node]!]!;
      state[node] = this.#isContext[node] === 1 || this.#backoff[node] !== 0 ? node : shorter;
      suffix[node] = shorter;
    }
    return new LanguageModel({
      order: this.#counts.length,
      words: new Map(this.#names.map((name, id) => [name, id])),
      longer: this.#longer,
      probability: this.#probability,
      backoff: this.#backoff,
      shorter: suffix,
      state,
    });
  }
}

const isSeparator = (byte: number): boolean => byte === SPACE || byte === TAB;

function isBlank(bytes: Buffer, start: number, end: number): boolean {
  for (let i = start; i < end; i++) if (!isSeparator(bytes[i]!)) return false;
  return true;
}
