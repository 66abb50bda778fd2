import { escapeHtml } from '../report/escape.ts';
import { capital, formatNumber, formatPercent, languageName } from '../report/format.ts';
import { barPairs } from '../report/svg.ts';
import { ceiling } from '../report/ticks.ts';
import type { DemoResults, TransferResult } from './results.ts';
import { transferGroups } from './results.ts';

/** Scores before and after for each test: a table, then one chart for each metric. */
export function transferSection({ transfer, settings }: DemoResults): string {
  const target = escapeHtml(languageName(settings.target));
  const groups = transferGroups
    .map((group) => ({ group, rows: transfer.filter((row) => row.group === group) }))
    .filter(({ rows }) => rows.length > 0);
  const ordered = groups.flatMap(({ rows }) => rows);
  const intervals = transfer.some((row) => row.chrfGain);
  const columns = 9 + (intervals ? 1 : 0);
  const chart = (
    title: string,
    note: string,
    score: (scores: TransferResult['before']) => number,
    percent = false,
  ) => {
    const rows = ordered.map((row) => ({
      label: label(row),
      before: score(row.before),
      after: score(row.after),
    }));
    const high = percent ? 1 : ceiling(rows.flatMap((row) => [row.before, row.after]));
    const image = barPairs(`${title} before and after`, rows, high, percent ? formatPercent : undefined);
    return `<figure><h3>${title}</h3>${image}<figcaption>${note}</figcaption></figure>`;
  };
  return `<h2>Translation into ${target}, before and after</h2>
<p><span class="key before" aria-hidden="true"></span>Grey: before fine-tuning. <span class="key after" aria-hidden="true"></span>Colour: after, with the same prompt.</p>
<p class="soft">BLEU and chrF run from 0 to 100, higher is better. “Not ${target}” is the share of outputs in another language, lower is better.</p>
<div class="scroll" tabindex="0" role="region" aria-label="Scores before and after">
<table>
<thead><tr><th scope="col" rowspan="2">Language</th><th scope="col" rowspan="2">Voice</th><th scope="col" rowspan="2" class="number">Clips</th><th scope="colgroup" colspan="2" class="number">BLEU</th><th scope="colgroup" colspan="2" class="number">chrF</th>${intervals ? '<th scope="col" rowspan="2" class="number">chrF gain,<br>95&nbsp;% interval</th>' : ''}<th scope="colgroup" colspan="2" class="number">Not ${target}</th></tr>
<tr>${'<th scope="col" class="number">before</th><th scope="col" class="number">after</th>'.repeat(3)}</tr></thead>
${groups
  .map(
    ({ group, rows }) =>
      `<tbody class="group"><tr><th class="heading" scope="rowgroup" colspan="${columns}">${escapeHtml(capital(group))}</th></tr>${rows.map((row) => tableRow(row, intervals)).join('')}</tbody>`,
  )
  .join('\n')}
${ordered.length === 0 ? `<tbody><tr><td colspan="${columns}">Nothing was measured.</td></tr></tbody>` : ''}
</table></div>
<div class="figures">
${chart('BLEU', 'Higher is better.', (scores) => scores.bleu)}
${chart('chrF', 'Higher is better. Characters, so it moves before BLEU does.', (scores) => scores.chrf)}
${chart(`Outputs not in ${target}`, 'Lower is better.', (scores) => scores.offTarget, true)}
</div>`;
}

function tableRow(row: TransferResult, intervals: boolean): string {
  const cell = (text: string) => `<td class="number">${text}</td>`;
  const pair = (before: string, after: string) => `${cell(before)}<td class="number"><b>${after}</b></td>`;
  const gain = row.chrfGain ? `${signed(row.chrfGain.low)} to ${signed(row.chrfGain.high)}` : '–';
  return `<tr><th scope="row">${escapeHtml(row.name)}</th><td>${escapeHtml(row.voice)}</td>${cell(formatNumber(row.n))}${pair(
    formatNumber(row.before.bleu, 1),
    formatNumber(row.after.bleu, 1),
  )}${pair(formatNumber(row.before.chrf, 1), formatNumber(row.after.chrf, 1))}${intervals ? cell(gain) : ''}${pair(
    formatPercent(row.before.offTarget),
    formatPercent(row.after.offTarget),
  )}</tr>`;
}

function label(row: TransferResult): string {
  const short = {
    'held-out English': 'held out',
    'new language, known sentence': 'known',
    'new language, new sentence': 'new',
  };
  return `${row.name}, ${short[row.group] ?? row.group}, ${row.voice} (${formatNumber(row.n)})`;
}

function signed(value: number): string {
  return `${value >= 0 ? '+' : ''}${formatNumber(value, 1)}`.replace('-', '−');
}
