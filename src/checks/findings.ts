/** Findings by kind: all are counted, the first ones of each kind kept with their words. */
import { FINDING_KINDS, type Finding, type FindingKind, kindOf, LISTED, type Severity } from './kinds.ts';
import type { RowTable } from './row-table.ts';

export class Findings {
  readonly #counts = new Map<FindingKind, number>();
  readonly #listed = new Map<FindingKind, Finding[]>();

  constructor(private readonly rows: RowTable) {}

  /** @param row its number, from 0 */
  add(row: number, kind: FindingKind, found: string, expected?: string): void {
    const bit = 1 << FINDING_KINDS.indexOf(kind);
    const { found: masks, lines } = this.rows.columns;
    // One finding of a kind a row: two texts of it may have the same fault.
    if (masks[row]! & bit) return;
    masks[row] = masks[row]! | bit;
    this.addLine(lines[row]!, kind, found, expected);
  }

  /** Adds what was found in a line that is no row. */
  addLine(line: number, kind: FindingKind, found: string, expected: string = kindOf(kind).expected): void {
    this.#counts.set(kind, this.count(kind) + 1);
    const listed = this.#listed.get(kind);
    if (!listed) this.#listed.set(kind, [{ kind, line, found, expected }]);
    else if (listed.length < LISTED) listed.push({ kind, line, found, expected });
  }

  has(row: number, kind: FindingKind): boolean {
    return (this.rows.columns.found[row]! & (1 << FINDING_KINDS.indexOf(kind))) !== 0;
  }

  count(kind: FindingKind): number {
    return this.#counts.get(kind) ?? 0;
  }

  total(severity: Severity): number {
    const kinds = FINDING_KINDS.filter((kind) => kindOf(kind).severity === severity);
    return kinds.reduce((sum, kind) => sum + this.count(kind), 0);
  }

  /** Kinds that were found, errors first, by the order of KINDS; the findings of each by line. */
  byKind(): { kind: FindingKind; count: number; listed: readonly Finding[] }[] {
    return FINDING_KINDS.filter((kind) => this.count(kind) > 0).map((kind) => ({
      kind,
      count: this.count(kind),
      listed: [...this.#listed.get(kind)!].sort((a, b) => a.line - b.line),
    }));
  }

  /** Errors among what was found in a row. */
  errorsOf(row: number): FindingKind[] {
    const mask = this.rows.columns.found[row]!;
    return FINDING_KINDS.filter((kind, i) => mask & (1 << i) && kindOf(kind).severity === 'error');
  }
}
