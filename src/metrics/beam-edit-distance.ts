/** Half the width of the band around the diagonal, as Tercom. */
const BEAM_WIDTH = 25;
const UNREACHED = 1e9;

/** Edit operation on a hypothesis token or reference token. */
export const KEEP = 0;
export const SUBSTITUTE = 1;
/** A reference token that the hypothesis lacks. */
export const INSERT = 2;
/** A hypothesis token that the reference lacks. */
export const DELETE = 3;

/**
 * Levenshtein distance of token sequences within a band around the (pseudo-)diagonal, as sacreBLEU's
 * `BeamEditDistance`. Rows hold only their band, so memory grows with the length, not with its square.
 * All hypotheses given to one instance are permutations of the first: Tercom only ever shifts tokens. A row then
 * depends on the tokens before it alone, and the rows of {@link base} are reused up to the first changed token.
 */
export class BeamEditDistance {
  readonly #reference: Int32Array;
  readonly #rowStart: Int32Array;
  readonly #rowEnd: Int32Array;
  #baseCosts: Int32Array[] = [];
  #baseOps: Uint8Array[] = [];
  #base: Int32Array;
  /** Two rows that {@link distance} writes in turn: it is called a thousand times a sentence. */
  readonly #scratch: [Int32Array, Int32Array];

  /**
   * @param hypothesis token ids
   * @param reference token ids, at least one
   */
  constructor(hypothesis: Int32Array, reference: Int32Array) {
    const n = hypothesis.length;
    const m = reference.length;
    this.#reference = reference;
    this.#scratch = [new Int32Array(m + 1), new Int32Array(m + 1)];
    const ratio = n > 0 ? m / n : 1;
    const beam = BEAM_WIDTH < ratio / 2 ? Math.ceil(ratio / 2 + BEAM_WIDTH) : BEAM_WIDTH;
    this.#rowStart = new Int32Array(n + 1);
    this.#rowEnd = new Int32Array(n + 1);
    for (let i = 0; i <= n; i++) {
      const diagonal = Math.floor(i * ratio);
      this.#rowStart[i] = i === 0 ? 0 : Math.max(0, diagonal - beam);
      this.#rowEnd[i] = i === 0 || i === n ? m + 1 : Math.min(m + 1, diagonal + beam);
    }
    this.#base = hypothesis;
    this.setBase(hypothesis);
  }

  /** Distance of the base to the reference. */
  get baseDistance(): number {
    return this.#last(this.#baseCosts[this.#base.length]!);
  }

  /** The hypothesis whose rows later distances may share. */
  get base(): Int32Array {
    return this.#base;
  }

  /** Makes `hypothesis` the base. */
  setBase(hypothesis: Int32Array): void {
    const m = this.#reference.length;
    this.#base = hypothesis;
    this.#baseCosts = [Int32Array.from({ length: m + 1 }, (_, j) => j)];
    this.#baseOps = [new Uint8Array(m + 1).fill(INSERT)];
    for (let i = 1; i <= hypothesis.length; i++) {
      const width = Math.max(0, this.#rowEnd[i]! - this.#rowStart[i]!);
      const ops = new Uint8Array(width);
      const row = new Int32Array(width);
      this.#baseCosts.push(this.#row(i, hypothesis[i - 1]!, this.#baseCosts[i - 1]!, row, ops));
      this.#baseOps.push(ops);
    }
  }

  /** Distance of a permutation of the base that equals it before position `firstChange`. */
  distance(hypothesis: Int32Array, firstChange: number): number {
    let row = this.#baseCosts[firstChange]!;
    for (let i = firstChange + 1; i <= hypothesis.length; i++) {
      const scratch = this.#scratch[i % 2]!.subarray(0, Math.max(0, this.#rowEnd[i]! - this.#rowStart[i]!));
      row = this.#row(i, hypothesis[i - 1]!, row, scratch);
    }
    return this.#last(row);
  }

  /** Operations that turn the base into the reference, first to last. */
  baseTrace(): number[] {
    const trace: number[] = [];
    let i = this.#base.length;
    let j = this.#reference.length;
    while (i > 0 || j > 0) {
      const op = this.#baseOps[i]![j - this.#rowStart[i]!]!;
      trace.push(op);
      if (op !== INSERT) i--;
      if (op !== DELETE) j--;
    }
    return trace.reverse();
  }

  #last(row: Int32Array): number {
    return row[row.length - 1]!;
  }

  /** Fills row i of the matrix, [rowStart, rowEnd). Ties go to keep or substitute, then delete, then insert. */
  #row(i: number, token: number, previous: Int32Array, row: Int32Array, ops?: Uint8Array): Int32Array {
    const reference = this.#reference;
    const start = this.#rowStart[i]!;
    const end = this.#rowEnd[i]!;
    const previousStart = this.#rowStart[i - 1]!;
    for (let j = start; j < end; j++) {
      let cost = UNREACHED;
      let op = KEEP;
      const above = j - previousStart;
      if (above >= 1 && above <= previous.length) {
        const same = token === reference[j - 1];
        cost = previous[above - 1]! + (same ? 0 : 1);
        op = same ? KEEP : SUBSTITUTE;
      }
      if (above < previous.length && previous[above]! + 1 < cost) {
        cost = previous[above]! + 1;
        op = DELETE;
      }
      if (j > start && row[j - start - 1]! + 1 < cost) {
        cost = row[j - start - 1]! + 1;
        op = INSERT;
      }
      row[j - start] = cost;
      if (ops) ops[j - start] = op;
    }
    return row;
  }
}
