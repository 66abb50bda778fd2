/** Writes a manifest without the rows in which a check found errors, and beside it what was dropped and corrected. */
import { dirname, isAbsolute, resolve } from 'node:path';
import { relativeReference, resolveReference } from '../audio/audio-reference.ts';
import { manifestRows } from '../data/manifest.ts';
import { headerLine, manifestFormat, type Row, rowLine, withValues } from '../data/manifest-rows.ts';
import { UserError } from '../errors.ts';
import { removeFile, streamInPieces, writeWhole } from '../files/write-whole.ts';
import { csvText } from '../report/figure.ts';
import type { CheckedManifest } from './check-manifest.ts';
import { FINDING_KINDS, type FindingKind } from './kinds.ts';

export interface Cleaned {
  readonly path: string;
  /** What was dropped, with the reasons: line, kinds, the row. */
  readonly droppedPath: string;
  readonly kept: number;
  readonly dropped: number;
  /** Kept rows whose `duration_s` was wrong and is now that of the recording, and their list: line, before, now. */
  readonly corrected: number;
  readonly correctedPath: string | undefined;
  /** Dropped rows by kind; a row may have several. */
  readonly byKind: readonly { readonly kind: FindingKind; readonly rows: number }[];
}

/** @throws UserError where a manifest of this name would not be read as the other, or is the other */
export function checkCleanedPath(manifest: string, output: string): void {
  const ending = `.${manifestFormat(manifest) ?? 'tsv'}`;
  if (!output.toLowerCase().endsWith(ending)) {
    throw new UserError(
      `--fix: found ${output}; expected a name that ends in ${ending}, as its rows are written so`,
    );
  }
  if (resolve(output) === resolve(manifest)) {
    throw new UserError(`--fix: found ${output}, the manifest itself; expected another name`);
  }
}

/**
 * Rows are as they stand in the manifest, but for durations that are wrong, and paths, which are relative to it. Rows with
 * warnings alone stay.
 * @throws UserError where the files cannot be written, or no row would be left
 */
export async function writeCleaned(checked: CheckedManifest, output: string): Promise<Cleaned> {
  const { manifest, findings, table } = checked;
  const [droppedPath, correctedPath] = [`${output}.dropped.csv`, `${output}.corrected.csv`];
  const [from, to] = [dirname(resolve(manifest)), dirname(resolve(output))];
  const moved = (audio: string): string =>
    from === to || isAbsolute(audio) || audio.trim() === ''
      ? audio
      : relativeReference(to, resolveReference(from, audio));
  const counts = new Map<FindingKind, number>();
  let [kept, dropped, corrected] = [0, 0, 0];
  const rows = async function* (
    onBadRow: (line: number, reason: string) => void = () => {},
  ): AsyncGenerator<{ line: number; written: Row; errors: FindingKind[]; seconds: string | undefined }> {
    let row = 0;
    for await (const { line, row: written } of manifestRows(manifest, { withoutAudio: true, onBadRow })) {
      const errors = findings.errorsOf(row);
      // Of several faults the others stay when this one is mended.
      const isCorrected = errors.length === 1 && errors[0] === 'duration' && hasDuration(written);
      const seconds = isCorrected ? table.columns.seconds[row]!.toFixed(3) : undefined;
      yield { line, written, errors: isCorrected ? [] : errors, seconds };
      row++;
    }
  };
  const keptRows = async function* (): AsyncGenerator<string | undefined> {
    for await (const { written, errors, seconds } of rows()) {
      if (kept + dropped === 0) yield headerLine(written);
      if (errors.length > 0) {
        dropped++;
        for (const kind of errors) counts.set(kind, (counts.get(kind) ?? 0) + 1);
        continue;
      }
      kept++;
      if (seconds !== undefined) corrected++;
      const audio = moved(cellOf(written, 'audio'));
      yield rowLine(withValues(written, { audio, ...(seconds !== undefined && { duration_s: seconds }) }));
    }
    if (kept === 0) throw new UserError(`${output}: not written: every row of ${manifest} has an error`);
  };
  const droppedRows = async function* (): AsyncGenerator<string> {
    yield csvText([['line', 'kinds', 'row']]);
    const bad: string[] = [];
    const onBadRow = (line: number, reason: string): void => {
      bad.push(csvText([[String(line), 'row', reason]]));
    };
    for await (const { line, written, errors } of rows(onBadRow)) {
      yield* bad.splice(0);
      if (errors.length > 0) yield csvText([[String(line), errors.join(' '), rowLine(written)]]);
    }
    yield* bad;
  };
  const correctedRows = async function* (): AsyncGenerator<string> {
    yield csvText([['line', 'duration_s', 'corrected', 'audio']]);
    for await (const { line, written, seconds } of rows()) {
      if (seconds !== undefined)
        yield csvText([[String(line), cellOf(written, 'duration_s'), seconds, cellOf(written, 'audio')]]);
    }
  };
  await writeWhole(output, streamInPieces(keptRows(), withEnd));
  await writeWhole(droppedPath, streamInPieces(droppedRows(), asIs));
  if (corrected > 0) await writeWhole(correctedPath, streamInPieces(correctedRows(), asIs));
  else await removeFile(correctedPath);
  const unread = findings.count('row');
  if (unread > 0) counts.set('row', unread);
  const byKind = FINDING_KINDS.flatMap((kind) => {
    const rows = counts.get(kind);
    return rows === undefined ? [] : [{ kind, rows }];
  });
  return {
    path: output,
    droppedPath,
    kept,
    dropped: dropped + unread,
    corrected,
    correctedPath: corrected > 0 ? correctedPath : undefined,
    byKind,
  };
}

const hasDuration = (row: Row): boolean => cellOf(row, 'duration_s').trim() !== '';

const cellOf = ({ columns, values }: Row, field: string): string => values[columns.places[field] ?? -1] ?? '';

const withEnd = (line: string | undefined): string => (line === undefined ? '' : `${line}\n`);

const asIs = (text: string): string => text;
