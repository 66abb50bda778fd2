/** `whisper-transfer check`: what is wrong with the rows, texts and recordings of a manifest. */
import { type Command, Option } from 'commander';
import { abortable } from '../abort.ts';
import type { CheckedManifest } from '../checks/check-manifest.ts';
import { kindOf } from '../checks/kinds.ts';
import { hours } from '../checks/stats-page.ts';
import type { Cleaned } from '../checks/write-cleaned.ts';
import { machineMadeText } from '../data/machine-made.ts';
import { checkWritable, createFolder } from '../files/write-whole.ts';
import { fitWidth } from '../report/display-width.ts';
import { withoutControls } from '../report/escape.ts';
import { formatDuration, formatNumber } from '../report/format.ts';
import { ExitStatus } from './exit-status.ts';
import { showWork } from './show-work.ts';

/** Findings of a kind that are printed; the page and --json have more. */
const PRINTED = 3;
const MAX_WIDTH = 160;

interface Options {
  audio: boolean;
  cache?: string;
  fix?: string;
  page?: string;
  json?: boolean;
}

export function checkCommand(command: Command): Command {
  return command
    .argument('<manifest>', 'TSV, CSV or JSONL manifest')
    .option(
      '--fix <file>',
      'write the manifest without the rows that have errors and with durations corrected; what was dropped or changed stands beside it',
    )
    .option('--page <dir>', 'write a page with examples, their texts and players, and all findings as CSV')
    .option('--no-audio', 'check rows and texts only, without reading recordings')
    .addOption(
      new Option('--cache <dir>', 'folder where measures of recordings are kept; off: nowhere').default(
        'out/cache',
      ),
    )
    .option('--json', 'print all as JSON')
    .addHelpText(
      'after',
      '\nThe exit status is 1 where there are errors, 0 where there are warnings alone.' +
        '\n\nExample:\n  $ whisper-transfer check corpus.tsv --page out/check --fix cleaned.tsv',
    )
    .action(check);
}

async function check(manifest: string, { audio, cache, fix, page, json }: Options): Promise<void> {
  const { checkManifest } = await import('../checks/check-manifest.ts');
  const { writeCheckPage } = await import('../checks/page.ts');
  const { checkCleanedPath, writeCleaned } = await import('../checks/write-cleaned.ts');
  if (fix !== undefined) {
    checkCleanedPath(manifest, fix);
    await checkWritable(fix);
  }
  if (page !== undefined) await createFolder(page);
  const work = showWork('run again to go on: recordings that were read are not read again');
  const started = performance.now();
  const checked = await abortable(work.signal, () =>
    checkManifest(manifest, { ...work, audio, cache: cache === 'off' ? undefined : cache }),
  );
  work.end();
  if (page !== undefined) await writeCheckPage(checked, page);
  const cleaned = fix === undefined ? undefined : await writeCleaned(checked, fix);
  const seconds = (performance.now() - started) / 1000;
  console.log(
    json ? JSON.stringify(summary(checked, cleaned, seconds)) : text(checked, cleaned, page, seconds),
  );
  if (checked.errors > 0) throw new ExitStatus(1);
}

function summary(checked: CheckedManifest, cleaned: Cleaned | undefined, seconds: number): object {
  const { manifest, rows, audio, errors, warnings, findings, machineMade } = checked;
  const kinds = findings.byKind().map(({ kind, count, listed }) => ({
    kind,
    severity: kindOf(kind).severity,
    count,
    findings: listed.map(({ line, found, expected }) => ({ line, found, expected })),
  }));
  return {
    manifest,
    rows,
    hours: checked.seconds / 3600,
    audio,
    seconds,
    errors,
    warnings,
    kinds,
    machineMade,
    cleaned,
  };
}

function text(
  checked: CheckedManifest,
  cleaned: Cleaned | undefined,
  page: string | undefined,
  seconds: number,
): string {
  const { manifest, rows, audio, errors, warnings, findings } = checked;
  const lines: string[] = [];
  for (const { kind, count, listed } of findings.byKind()) {
    const { severity, heading } = kindOf(kind);
    lines.push(`${severity}: ${formatNumber(count)} ${heading} (${kind}); expected ${listed[0]!.expected}`);
    for (const { line, found } of listed.slice(0, PRINTED)) {
      lines.push(fitWidth(withoutControls(`  ${manifest}:${line}: ${found}`), MAX_WIDTH));
    }
    if (count > PRINTED) lines.push(`  … and ${formatNumber(count - PRINTED)} more`);
  }
  for (const one of checked.machineMade) lines.push(`${manifest}: ${machineMadeText(one)}`);
  const read = audio ? `${hours(checked.seconds)} h read` : 'recordings not read';
  lines.push(
    `${manifest}: ${formatNumber(rows)} rows, ${read}: ${formatNumber(errors)} errors and ${formatNumber(warnings)} warnings, in ${formatDuration(seconds)}`,
  );
  if (page !== undefined) lines.push(`${page}: index.html, findings.csv`);
  if (cleaned) {
    const kinds = cleaned.byKind.map(({ kind, rows }) => `${kind} ${formatNumber(rows)}`).join(', ');
    lines.push(
      `${cleaned.path}: ${formatNumber(cleaned.kept)} rows kept, ${formatNumber(cleaned.dropped)} dropped` +
        `${kinds ? ` (${kinds}), listed in ${cleaned.droppedPath}` : ''}`,
    );
    if (cleaned.correctedPath !== undefined) {
      lines.push(
        `${cleaned.path}: ${formatNumber(cleaned.corrected)} of them with the duration of the recording instead of a wrong one, listed in ${cleaned.correctedPath}`,
      );
    }
  }
  return lines.join('\n');
}
