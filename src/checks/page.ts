/** The page of a check: what was found, by kind, with texts and players of the first rows of each. */
import { audioUri } from '../audio/audio-uri.ts';
import type { Clip } from '../data/clip.ts';
import { manifestRows } from '../data/manifest.ts';
import { writeWhole } from '../files/write-whole.ts';
import { type Player, playerHtml, textHtml } from '../report/clip-card.ts';
import { escapeHtml } from '../report/escape.ts';
import { csvText } from '../report/figure.ts';
import { capital, formatDuration, formatNumber, shorten } from '../report/format.ts';
import { htmlTable } from '../report/html-table.ts';
import { packageVersion } from '../report/package-version.ts';
import { htmlPage } from '../report/page.ts';
import { pageStyle } from '../report/page-style.ts';
import type { CheckedManifest } from './check-manifest.ts';
import { textsOf } from './columns.ts';
import { type Finding, type FindingKind, kindOf, LISTED } from './kinds.ts';

/** Cards with texts and a player of each kind, and rows of its table: a page of thousands opens slowly. */
const EXAMPLES = 6;
const TABLE_ROWS = 200;
/** Bytes of the recordings inside the page, together. */
const MAX_PLAYED_BYTES = 8_000_000;

const style = `${pageStyle}
.severity-error{color:var(--none)}.severity-warning{color:var(--some)}
h2 .tag{font-weight:400}
dl.texts{grid-template-columns:minmax(0,1fr);gap:.1rem 0}dl.texts dd{margin:0 0 .4rem}
.verdicts{display:flex;flex-wrap:wrap;gap:.4rem 2.2rem;margin:.4rem 0 1.2rem;padding:0;list-style:none}
.verdicts b{display:block;font-size:1.7rem;line-height:1.2;font-variant-numeric:tabular-nums}
table{font-size:.86rem}td{overflow-wrap:anywhere}td.number{white-space:nowrap}
`;

interface Example {
  readonly clip: Clip;
  readonly player: Player;
}

/**
 * Writes index.html and findings.csv into a folder.
 * @throws UserError where they cannot be written
 */
export async function writeCheckPage(checked: CheckedManifest, directory: string): Promise<void> {
  const kinds = checked.findings.byKind();
  const examples = await examplesOf(checked.manifest, kinds);
  await writeWhole(`${directory}/findings.csv`, findingsCsv(kinds));
  await writeWhole(`${directory}/index.html`, checkPage(checked, examples));
}

type ByKind = ReturnType<CheckedManifest['findings']['byKind']>;

function* findingsCsv(kinds: ByKind): Generator<string> {
  yield csvText([['line', 'severity', 'kind', 'found', 'expected']]);
  for (const { kind, listed } of kinds) {
    const { severity } = kindOf(kind);
    yield csvText(listed.map(({ line, found, expected }) => [String(line), severity, kind, found, expected]));
  }
}

/** Clips of the rows that are shown, by line. */
async function examplesOf(manifest: string, kinds: ByKind): Promise<Map<number, Example>> {
  const lines = new Set(kinds.flatMap(({ listed }) => listed.slice(0, EXAMPLES).map(({ line }) => line)));
  const examples = new Map<number, Example>();
  let bytes = 0;
  for await (const { clip, line } of manifestRows(manifest, { withoutAudio: true, onBadRow: () => {} })) {
    if (!lines.delete(line)) continue;
    const player = await playerOf(clip.audio, bytes);
    if ('uri' in player) bytes += player.uri.length;
    examples.set(line, { clip, player });
    if (lines.size === 0) break;
  }
  return examples;
}

async function playerOf(audio: string, bytes: number): Promise<Player> {
  if (audio === '') return { missing: 'not named' };
  if (bytes > MAX_PLAYED_BYTES) return { missing: 'left out, as the page has enough of them' };
  return audioUri(audio).catch(() => ({ missing: 'not there, or cannot be read' }));
}

function checkPage(checked: CheckedManifest, examples: ReadonlyMap<number, Example>): string {
  const { manifest, findings, rows, errors, warnings, seconds, audio } = checked;
  const kinds = findings.byKind();
  const length = seconds > 0 ? `, <b>${formatDuration(seconds)}</b> of speech` : '';
  const read = audio
    ? 'Each recording was read once.'
    : 'Recordings were not read: what is said here is of rows and texts.';
  const lead =
    kinds.length === 0
      ? '<p class="verdict good">Nothing was found.</p>'
      : `<ul class="verdicts"><li class="severity-error"><b>${formatNumber(errors)}</b> errors</li><li class="severity-warning"><b>${formatNumber(warnings)}</b> warnings</li></ul>
<p>With an error a clip cannot be used, or misleads the model that is trained or tested on it: <code>--fix</code> drops its row. A warning is often a fault and sometimes how the corpus is: listen and decide.</p>
${summaryTable(kinds)}`;
  return htmlPage(
    `Check of ${manifest}`,
    style,
    `<header>
<h1>Check of ${escapeHtml(manifest)}</h1>
<ul class="chips"><li><b>${formatNumber(rows)}</b> rows${length}</li><li>whisper-transfer ${escapeHtml(packageVersion)}</li></ul>
<p class="soft">${read}</p>
</header>
${lead}
${kinds.map((one) => section(one, examples)).join('\n')}`,
  );
}

function summaryTable(kinds: ByKind): string {
  return htmlTable('Findings by kind', kinds, [
    { heading: 'found', value: ({ kind }) => kindOf(kind).heading },
    { heading: 'rows', value: ({ count }) => formatNumber(count), align: 'right' },
    { heading: 'severity', value: ({ kind }) => kindOf(kind).severity },
    { heading: 'expected', value: ({ kind }) => kindOf(kind).expected },
  ]);
}

function section({ kind, count, listed }: ByKind[number], examples: ReadonlyMap<number, Example>): string {
  const { heading, severity } = kindOf(kind);
  const shown = listed.slice(0, TABLE_ROWS);
  const cards = listed.slice(0, EXAMPLES).flatMap((finding) => {
    const example = examples.get(finding.line);
    return example ? [card(finding, example)] : [];
  });
  return `<h2 id="${kind}">${escapeHtml(capital(heading))} <span class="tag severity-${severity}">${severity}</span> <span class="tag">${formatNumber(count)}</span></h2>
<p class="soft">Expected ${escapeHtml(kindOf(kind).expected)}.</p>
${cards.length > 0 ? `<div class="examples">${cards.join('\n')}</div>` : ''}
${count > cards.length ? `<details><summary>${tableCaption(kind, count, shown.length, listed.length)}</summary>${findingsTable(heading, shown)}</details>` : ''}`;
}

function tableCaption(kind: FindingKind, count: number, shown: number, listed: number): string {
  if (shown === count) return `All ${formatNumber(count)}`;
  const rest =
    listed === count
      ? 'all are in findings.csv'
      : `findings.csv has the first ${formatNumber(LISTED)}; --fix knows all`;
  return escapeHtml(`The first ${formatNumber(shown)} of ${formatNumber(count)} (${kind}); ${rest}`);
}

const findingsTable = (label: string, findings: readonly Finding[]): string =>
  htmlTable(label, findings, [
    { heading: 'line', value: ({ line }) => line },
    { heading: 'found', value: ({ found }) => shorten(found) },
    ...(findings.some(({ kind, expected }) => expected !== kindOf(kind).expected)
      ? [{ heading: 'expected', value: ({ expected }: Finding) => expected }]
      : []),
  ]);

function card({ kind, line, found, expected }: Finding, { clip, player }: Example): string {
  const texts = textsOf(clip).map(([column, language, text]) => textHtml(escapeHtml(column), text, language));
  return `<article class="card"><small>line ${formatNumber(line)} · ${escapeHtml(clip.audio)}</small>
<p><b>${escapeHtml(shorten(found))}</b>${expected === kindOf(kind).expected ? '' : `<br><span class="soft">expected ${escapeHtml(expected)}</span>`}</p>
${playerHtml(clip.audio, player)}
<dl class="texts">${texts.join('')}</dl></article>`;
}
