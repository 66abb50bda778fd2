/** Writes a manifest without the rows in which a check found errors, and beside it what was dropped. */
import { dirname, extname, isAbsolute, resolve } from 'node:path';
import { relativeReference, resolveReference } from '../audio/audio-reference.ts';
import { headerLine, manifestRows, withAudioMoved } from '../data/manifest.ts';
import { UserError } from '../errors.ts';
import { writeWhole } from '../files/write-whole.ts';
import { csvText } from '../report/figure.ts';
import type { CheckedManifest } from './check-manifest.ts';
import { FINDING_KINDS, type FindingKind } from './kinds.ts';

export interface Cleaned {
  readonly path: string;
  /** What was dropped, with the reasons: line, kinds, the row. */
  readonly droppedPath: string;
  readonly kept: number;
  readonly dropped: number;
  /** Dropped rows by kind; a row may have several. */
  readonly byKind: readonly { readonly kind: FindingKind; readonly rows: number }[];
}

/** @throws UserError where a manifest of this name would not be read as the other, or is the other */
export function checkCleanedPath(manifest: string, output: string): void {
  const ending = extname(manifest).toLowerCase();
  if (extname(output).toLowerCase() !== ending) {
    throw new UserError(`--fix: found ${output}; expected a name that ends in ${ending}, as the manifest's`);
  }
  if (resolve(output) === resolve(manifest)) {
    throw new UserError(`--fix: found ${output}, the manifest itself; expected another name`);
  }
}

/**
 * Rows are as they stand in the manifest, but for paths, which are relative to it. Rows with warnings alone stay.
 * @throws UserError where the files cannot be written, or no row would be left
 */
export async function writeCleaned(checked: CheckedManifest, output: string): Promise<Cleaned> {
  const { manifest, findings, table } = checked;
  const droppedPath = `${output}.dropped.csv`;
  const [from, to] = [dirname(resolve(manifest)), dirname(resolve(output))];
  const move = (audio: string): string =>
    isAbsolute(audio) || audio.trim() === '' ? audio : relativeReference(to, resolveReference(from, audio));
  const counts = new Map<FindingKind, number>();
  let [kept, dropped] = [0, 0];
  for (let row = 0; row < table.count; row++) {
    const errors = findings.errorsOf(row);
    for (const kind of errors) counts.set(kind, (counts.get(kind) ?? 0) + 1);
    if (errors.length > 0) dropped++;
    else kept++;
  }
  const unread = findings.count('row');
  if (unread > 0) counts.set('row', unread);
  if (kept === 0) throw new UserError(`${output}: not written: every row of ${manifest} has an error`);
  const lines = async function* (wanted: boolean): AsyncGenerator<string> {
    let row = 0;
    let piece = wanted ? '' : csvText([['line', 'kinds', 'row']]);
    const bad: string[] = [];
    const onBadRow = (line: number, reason: string): void => {
      if (!wanted) bad.push(csvText([[String(line), 'row', reason]]));
    };
    for await (const { line, row: written } of manifestRows(manifest, { withoutAudio: true, onBadRow })) {
      if (wanted && row === 0) piece += withEnd(headerLine(written));
      const errors = findings.errorsOf(row++);
      piece += bad.splice(0).join('');
      if (wanted && errors.length === 0) {
        piece += withEnd(from === to ? written.source : withAudioMoved(manifest, written, move));
      } else if (!wanted && errors.length > 0) {
        piece += csvText([[String(line), errors.join(' '), written.source]]);
      }
      if (piece.length < 1 << 20) continue;
      yield piece;
      piece = '';
    }
    yield piece + bad.join('');
  };
  await writeWhole(output, lines(true));
  await writeWhole(droppedPath, lines(false));
  const byKind = FINDING_KINDS.flatMap((kind) => {
    const rows = counts.get(kind);
    return rows === undefined ? [] : [{ kind, rows }];
  });
  return { path: output, droppedPath, kept, dropped: dropped + unread, byKind };
}

const withEnd = (line: string | undefined): string => (line === undefined ? '' : `${line}\n`);
