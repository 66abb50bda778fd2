/** Report of a training run, during and after it, as one HTML page. */

import { movingAverage } from '../report/curves.ts';
import { formatDuration, formatNumber, languageName } from '../report/format.ts';
import { definitions, spaced } from '../report/html-table.ts';
import { htmlPage } from '../report/page.ts';
import { pageStyle } from '../report/page-style.ts';
import { barList, type Line, lineChart } from '../report/svg.ts';
import type { RunRecord } from './checkpoints.ts';
import type { DevEvaluation } from './dev-evaluation.ts';
import { describeGates, isGateOfLayer, openGates } from './experts.ts';

/** Steps whose gates are averaged: one has few tokens. */
const GATE_STEPS = 20;

export function trainingReport(
  { settings, reports, evaluations }: RunRecord,
  best: DevEvaluation | undefined,
): string {
  const steps = (value: (report: RunRecord['reports'][number]) => number) =>
    reports.map((report): [number, number] => [report.step, value(report)]);
  const dev = (value: (one: RunRecord['evaluations'][number]) => number) =>
    evaluations.map((one): [number, number] => [one.step, value(one)]);
  const losses = steps(({ loss }) => loss);
  const skipped = reports.filter((report) => report.skipped).length;
  const seconds = [...reports, ...evaluations].reduce((sum, one) => sum + one.seconds, 0);
  const charts = [
    chart('Training loss', 'nats per token', [
      { kind: 'raw', points: losses },
      { kind: 'main', points: movingAverage(losses) },
    ]),
    // Metrics that an objective of several terms reports beside its loss.
    ...Object.keys(reports[0]?.terms ?? {})
      .filter((name) => !isGateOfLayer(name))
      .map((name) => {
        const points = steps(({ terms }) => terms![name]!);
        return chart(`Training loss: ${spaced(name)}`, 'of the batch', [
          { kind: 'raw', points },
          { kind: 'main', points: movingAverage(points) },
        ]);
      }),
    ...gatesChart(reports),
    chart('Learning rate', 'step size', [{ kind: 'main', points: steps((one) => one.learningRate) }]),
    chart('Gradient norm, before clipping', 'L2 norm', [
      { kind: 'main', points: steps((one) => one.gradientNorm) },
    ]),
    ...(evaluations.length > 0
      ? [
          chart('Dev loss', 'nats per token', [{ kind: 'main', points: dev(({ loss }) => loss) }]),
          chart('Dev BLEU, greedy', 'BLEU', [{ kind: 'main', points: dev(({ bleu }) => bleu) }]),
          chart('Dev chrF, greedy', 'chrF', [{ kind: 'main', points: dev(({ chrf }) => chrf) }]),
          ...Object.keys(evaluations[0]!.targets ?? {}).map((target) => {
            const points = dev(({ targets }) => targets![target]!.chrf);
            return chart(`Dev chrF, ${languageName(target)}`, 'chrF', [{ kind: 'main', points }]);
          }),
        ]
      : []),
  ];
  const chips = [
    `<b>${formatNumber(reports.at(-1)?.step ?? 0)}</b> of ${formatNumber(Number(settings.steps))} steps`,
    `<b>${formatDuration(seconds)}</b> in steps and evaluations`,
    `<b>${formatNumber(skipped)}</b> steps skipped: loss or gradient not finite`,
    ...(best
      ? [
          `best evaluation at step <b>${formatNumber(best.step)}</b>: loss ${formatNumber(best.loss, 3)}, BLEU ${formatNumber(best.bleu, 1)}, chrF ${formatNumber(best.chrf, 1)}`,
        ]
      : []),
  ];
  return htmlPage(
    'Whisper transfer: training',
    pageStyle,
    `<header><h1>Training of the decoder</h1><ul class="chips">${chips.map((chip) => `<li>${chip}</li>`).join('')}</ul></header>
<div class="figures two">${charts.join('\n')}</div>
<h2>Settings</h2>
<div class="cards settings"><section class="card">${definitions(
      Object.entries(settings).map(([name, value]): [string, unknown] => [spaced(name), value]),
    )}</section></div>`,
  );
}

/** The experts' gates over the last steps, a bar for each layer. */
function gatesChart(reports: RunRecord['reports']): string[] {
  const gates = openGates(reports.slice(-GATE_STEPS));
  if (gates.size === 0) return [];
  const bars = [...gates].map(([layer, share]) => ({
    label: layer.replace('.', ' '),
    value: share,
    text: `${(100 * share).toFixed(0)} %`,
  }));
  const title = `Gates open at test, last ${GATE_STEPS} steps: ${describeGates(gates)}`;
  return [`<figure>${barList(title, bars)}<figcaption>${title}.</figcaption></figure>`];
}

function chart(title: string, unit: string, lines: readonly Line[]): string {
  return `<figure>${lineChart(`${title} by step`, lines, { x: 'step', y: unit })}<figcaption>${title}.</figcaption></figure>`;
}
