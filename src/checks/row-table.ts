/** What is known of each row of a manifest, in typed arrays: a million rows take 60 MB. */

/** Sets that must share nothing. The one that is tested last keeps what two have. */
export const SPLITS = ['other', 'train', 'dev', 'test'] as const;

/** A name of one's own is no split: sets may overlap on purpose. */
export function splitOf(set: string): number {
  const name = set.trim().toLowerCase();
  if (/^(?:train|training)(?:[-_.]|$)/.test(name)) return 1;
  if (/^(?:dev|development|valid|validation|val)(?:[-_.]|$)/.test(name)) return 2;
  return /^(?:test|testing|eval)(?:[-_.]|$)/.test(name) ? 3 : 0;
}

const COLUMNS = {
  /** Number of the line in the manifest. */
  lines: Uint32Array,
  /** What was found: bits by the place of the kind. */
  found: Uint32Array,
  splits: Uint8Array,
  /** Hash of the transcript, and of all texts. */
  sentences: Float64Array,
  texts: Float64Array,
  /** Hash of what is heard, or of the path where recordings are not read; NaN: unknown. */
  sounds: Float64Array,
  seconds: Float32Array,
} as const;

type Columns = { [Name in keyof typeof COLUMNS]: InstanceType<(typeof COLUMNS)[Name]> };

export class RowTable {
  #columns = columnsOf(1024);
  #count = 0;

  get count(): number {
    return this.#count;
  }

  /** Its columns, which a later row may replace. */
  get columns(): Readonly<Columns> {
    return this.#columns;
  }

  /** @returns the number of the row, from 0 */
  add(line: number): number {
    if (this.#count === this.#columns.lines.length) {
      const more = columnsOf(2 * this.#count);
      for (const name of Object.keys(COLUMNS) as (keyof Columns)[]) more[name].set(this.#columns[name]);
      this.#columns = more;
    }
    this.#columns.lines[this.#count] = line;
    return this.#count++;
  }
}

const columnsOf = (length: number): Columns =>
  Object.fromEntries(Object.entries(COLUMNS).map(([name, type]) => [name, new type(length)])) as Columns;
