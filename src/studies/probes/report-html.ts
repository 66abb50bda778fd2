/** Results of a probe as one HTML page. */

import { confusionChart } from '../../report/confusion.ts';
import { escapeHtml } from '../../report/escape.ts';
import { formatNumber, formatPercent } from '../../report/format.ts';
import { htmlTable } from '../../report/html-table.ts';
import { htmlPage } from '../../report/page.ts';
import { pageStyle } from '../../report/page-style.ts';
import { barList, lineChart } from '../../report/svg.ts';
import { labelScores } from './classification.ts';
import type { ProbeScores } from './measure.ts';
import type { ProbeResults, Robustness } from './run.ts';

export const layerName = (layer: number): string =>
  layer === 0 ? 'before the first layer' : `layer ${layer}`;

export function probeReport(results: ProbeResults): string {
  const { label, labels, learnt, test, layerAccuracy } = results;
  const shares = results.layerShares.map((value, layer) => ({
    label: layerName(layer),
    value,
    text: formatPercent(value),
  }));
  const alone = layerAccuracy?.map((value, layer) => ({
    label: layerName(layer),
    value,
    text: formatPercent(value, 1),
  }));
  return page(
    `Probe: ${label}`,
    test,
    `${formatNumber(learnt.reduce((a, b) => a + b, 0))} training clips`,
    `${warning(results)}<div class="figures two">
${figure(barList('Share of each layer in the weighted sum', shares), 'Shares of the layers in the trained sum. They say what the probe used, not what a layer lacks: where several know the same, any may be chosen.')}
${alone ? figure(barList('Accuracy of a probe of each layer alone', alone), 'Accuracy of a probe of each layer alone, trained and tested on the same clips.') : ''}
${figure(confusionChart('Confusion matrix', labels, test.confusion), 'Shade: share of the row.')}
</div>
<h2>Labels</h2>
${htmlTable(
  'Labels',
  labelScores(test.confusion).map((score, i) => ({ ...score, name: labels[i]!, learnt: learnt[i]! })),
  [
    { heading: label, value: (row) => row.name },
    { heading: 'trained on', value: (row) => row.learnt },
    { heading: 'tested on', value: (row) => row.support },
    { heading: 'precision', value: (row) => formatPercent(row.precision, 1), align: 'right' },
    { heading: 'recall', value: (row) => formatPercent(row.recall, 1), align: 'right' },
    { heading: 'F1', value: (row) => formatPercent(row.f1, 1), align: 'right' },
  ],
)}`,
  );
}

export function robustnessReport(
  label: string,
  labels: readonly string[],
  clean: ProbeScores,
  robustness: readonly Robustness[],
): string {
  const curve = (kind: Robustness['kind'], title: string, x: string): string => {
    const measured = robustness.filter((one) => one.kind === kind && one.strength !== undefined);
    if (measured.length < 2) return '';
    const line = (value: (test: ProbeScores) => number) =>
      measured.map(({ strength, test }): [number, number] => [strength!, 100 * value(test)]);
    const chart = lineChart(
      title,
      [
        { kind: 'raw', points: line(({ interval }) => interval[0]) },
        { kind: 'raw', points: line(({ interval }) => interval[1]) },
        { kind: 'main', points: line(({ accuracy }) => accuracy) },
      ],
      { x, y: 'accuracy, %', fromZero: true },
    );
    return figure(
      chart,
      `${title}; faint: 95 % interval. Without: ${formatPercent(clean.accuracy, 1)}; the commonest label: ${formatPercent(clean.majority, 1)}.`,
    );
  };
  const rows = [
    { name: 'as recorded', test: clean },
    ...robustness.map((one) => ({ name: conditionName(one), test: one.test })),
  ];
  return page(
    `Probe under noise and reverberation: ${label}`,
    clean,
    '',
    `<div class="figures two">${curve('noise', 'Accuracy under noise', 'signal-to-noise ratio, dB')}
${curve('reverberation', 'Accuracy under reverberation', 'reverberation time RT60, s')}
${figure(confusionChart('Confusion matrix', labels, clean.confusion), 'As recorded. Shade: share of the row.')}</div>
${htmlTable('Conditions', rows, [
  { heading: 'condition', value: (row) => row.name },
  { heading: 'accuracy', value: ({ test }) => formatPercent(test.accuracy, 1), align: 'right' },
  { heading: '95 % interval', value: ({ test }) => intervalText(test), align: 'right' },
  { heading: 'macro-F1', value: ({ test }) => formatPercent(test.macroF1, 1), align: 'right' },
])}`,
  );
}

export function conditionName({ kind, strength }: Pick<Robustness, 'kind' | 'strength'>): string {
  if (kind === 'noise') return `noise, SNR ${strength} dB`;
  return strength === undefined
    ? 'reverberation, impulses of the folder'
    : `reverberation, RT60 ${strength} s`;
}

export const intervalText = ({ interval: [low, high] }: ProbeScores): string =>
  `${formatNumber(100 * low, 1)} to ${formatNumber(100 * high, 1)}`;

/** Warns of columns that determine the label, in one sentence; '' where there are none. */
export function confoundingText({ label, confounded }: Pick<ProbeResults, 'label' | 'confounded'>): string {
  if (confounded.length === 0) return '';
  return (
    `In the training clips, each value of ${confounded.map((name) => `"${name}"`).join(', ')} has one ` +
    `"${label}" only: the probe may have learned to distinguish those instead.`
  );
}

function warning(results: ProbeResults): string {
  const text = confoundingText(results);
  return text && `<p><b class="some">Confounded.</b> ${escapeHtml(text)}</p>`;
}

function page(title: string, test: ProbeScores, more: string, content: string): string {
  const chips = [
    `accuracy <b>${formatPercent(test.accuracy, 1)}</b> (95 % interval ${intervalText(test)})`,
    `macro-F1 <b>${formatPercent(test.macroF1, 1)}</b>`,
    `commonest label <b>${formatPercent(test.majority, 1)}</b>`,
    `${formatNumber(test.clips)} test clips`,
    ...(more ? [more] : []),
  ];
  return htmlPage(
    title,
    pageStyle,
    `<header><h1>${escapeHtml(title)}</h1><ul class="chips">${chips.map((chip) => `<li>${chip}</li>`).join('')}</ul></header>
${content}`,
  );
}

function figure(image: string, caption: string): string {
  return `<figure>${image}<figcaption>${escapeHtml(caption)}</figcaption></figure>`;
}
