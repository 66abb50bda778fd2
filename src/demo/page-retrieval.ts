import { escapeHtml } from '../report/escape.ts';
import { figureHtml } from '../report/figure.ts';
import { formatNumber, formatPercent, languageName } from '../report/format.ts';
import { similarityFigure } from '../retrieval/page.ts';
import type { DemoResults, RetrievalResult } from './results.ts';

/** Speech-to-speech retrieval: R@1 of every pair of languages, then heat maps of the similarities. */
export function retrievalSection(results: DemoResults): string {
  const { retrieval, similarity } = results;
  const name = (code: string) =>
    results.transfer.find((row) => row.language === code)?.name || languageName(code);
  return `<h2>Do languages share one space in the encoder?</h2>
<p>Each recording in one language (rows) looks for the same sentence among all recordings in the other (columns), by SeqSim of the encoder’s frames: no text, no training. R@1 is the share that finds it at once; chance is a blind guess; “mean” is the plain baseline, cosine of mean-pooled frames. Such a shared space is why a decoder taught with English may serve other languages.</p>
${matrix(retrieval, name)}
${fullTable(retrieval, name)}
${similarity.length ? `<div class="figures">${similarity.map((excerpt) => figureHtml(similarityFigure(excerpt, 'SeqSim'))).join('\n')}</div>` : ''}`;
}

function matrix(retrieval: readonly RetrievalResult[], name: (code: string) => string): string {
  if (retrieval.length === 0) return '<p>Nothing was measured.</p>';
  // One order for both sides, so that the empty cells of a language with itself form the diagonal.
  const languages = [...new Set(retrieval.flatMap((pair) => [pair.from, pair.to]))];
  const sources = languages.filter((language) => retrieval.some((pair) => pair.from === language));
  const targets = languages.filter((language) => retrieval.some((pair) => pair.to === language));
  const cell = (from: string, to: string) => {
    const pair = retrieval.find((candidate) => candidate.from === from && candidate.to === to);
    if (!pair) return '<td><span class="soft">·</span></td>';
    return `<td class="tint-${tint(pair.r1)}"><b>${formatPercent(pair.r1)}</b><small>chance ${formatPercent(pair.chance, 1)}</small><small>mean ${formatPercent(pair.meanPoolR1)} · n&nbsp;${formatNumber(pair.n)}</small></td>`;
  };
  return `<div class="scroll" tabindex="0" role="region" aria-label="Retrieval by pair of languages">
<table class="matrix">
<thead><tr><th scope="col">spoken in</th>${targets.map((to) => `<th scope="col">→ ${escapeHtml(name(to))}</th>`).join('')}</tr></thead>
<tbody>${sources.map((from) => `<tr><th scope="row">${escapeHtml(name(from))}</th>${targets.map((to) => cell(from, to)).join('')}</tr>`).join('\n')}</tbody>
</table></div>`;
}

function fullTable(retrieval: readonly RetrievalResult[], name: (code: string) => string): string {
  if (retrieval.length === 0) return '';
  const rows = retrieval.map(
    (pair) =>
      `<tr><th scope="row">${escapeHtml(name(pair.from))} → ${escapeHtml(name(pair.to))}</th>${[
        formatNumber(pair.n),
        formatPercent(pair.r1, 1),
        formatPercent(pair.r5, 1),
        formatPercent(pair.meanPoolR1, 1),
        formatPercent(pair.chance, 1),
      ]
        .map((text) => `<td class="number">${text}</td>`)
        .join('')}</tr>`,
  );
  return `<details><summary>All pairs with R@5</summary><div class="scroll" tabindex="0" role="region" aria-label="All retrieval results"><table>
<thead><tr><th scope="col">Pair</th>${['Utterances', 'R@1', 'R@5', 'R@1, mean-pooled', 'R@1, chance'].map((heading) => `<th scope="col" class="number">${heading}</th>`).join('')}</tr></thead>
<tbody>${rows.join('\n')}</tbody></table></div></details>`;
}

function tint(fraction: number): number {
  return Number.isFinite(fraction) ? Math.max(0, Math.min(10, Math.round(fraction * 10))) : 0;
}
