import { largest, smallest } from '../extremes.ts';
import { movingAverage } from '../report/curves.ts';
import { escapeHtml } from '../report/escape.ts';
import { formatDuration, formatNumber, formatPercent, languageName } from '../report/format.ts';
import { definitions, spaced } from '../report/html-table.ts';
import { htmlPage } from '../report/page.ts';
import { pageStyle } from '../report/page-style.ts';
import { barList, lineChart } from '../report/svg.ts';
import { exampleSection } from './page-examples.ts';
import { retrievalSection } from './page-retrieval.ts';
import { transferSection } from './page-transfer.ts';
import type { DemoResults, TransferResult } from './results.ts';
import { transferGroups } from './results.ts';
import { MIN_GAIN, questions, USABLE_BLEU, verdict } from './verdict.ts';

/** The demo's report as one HTML page. */
export function demoReport(results: DemoResults): string {
  return htmlPage(
    'Whisper transfer: demo report',
    pageStyle,
    [
      headline(results),
      transferSection(results),
      exampleSection(results.examples, results.settings.target),
      retrievalSection(results),
      trainingSection(results),
      limitsSection(results),
      reproduceSection(results),
    ].join('\n'),
  );
}

function headline(results: DemoResults): string {
  const { settings, seconds } = results;
  const target = escapeHtml(languageName(settings.target));
  const total = Object.values(seconds).reduce((sum, value) => sum + (Number.isFinite(value) ? value : 0), 0);
  const cards = transferGroups.map((group) => {
    const rows = results.transfer.filter((row) => row.group === group);
    const { words, level } = verdict(rows);
    return `<section class="card"><h3>${escapeHtml(questions[group])}</h3>
<p class="verdict ${level}">${escapeHtml(words)}</p>
<ul class="evidence">${rows.map((row) => evidence(row, target)).join('')}</ul></section>`;
  });
  return `<header>
<h1>Taught ${target} with English speech alone: what carries over to other languages?</h1>
<p class="lead">The decoder of ${escapeHtml(results.model)} was fine-tuned for ${formatNumber(settings.steps)} steps on ${formatNumber(settings.trainClips)} clips of English speech with ${target} translations. Its encoder was left as it was. Below, the same model before and after translates speech that it was not trained on.</p>
<ul class="chips"><li><b>${formatDuration(total)}</b> in all</li><li><b>${formatNumber(results.machine.cores)}</b> CPU cores</li><li><b>${formatNumber(results.peakMemoryMb / 1000, 1)} GB</b> peak memory</li><li>prompt <code>${escapeHtml(settings.prompt)}</code></li></ul>
</header>
<div class="cards">${cards.join('\n')}</div>
<p class="soft">How the answers are found: a test gains if its chrF rises${results.transfer.some((row) => row.chrfGain) ? ' by a 95&nbsp;% bootstrap interval that excludes zero' : ` by ${MIN_GAIN} point or more`}. “Yes” means that every language and voice gains and reaches ${USABLE_BLEU} BLEU; below that, few sentences can be used as they are. “A language it was not trained on” is one absent from this fine-tuning; Whisper’s own training may have held it.</p>`;
}

function evidence(row: TransferResult, target: string): string {
  const change = (before: string, after: string) =>
    `${before}&nbsp;<span class="arrow">→</span>&nbsp;<b>${after}</b>`;
  return `<li><span class="who">${escapeHtml(row.name)} <span class="tag">${escapeHtml(row.voice)} voice</span> <span class="tag">${formatNumber(row.n)} clips</span></span>
BLEU ${change(formatNumber(row.before.bleu, 1), formatNumber(row.after.bleu, 1))}, chrF ${change(formatNumber(row.before.chrf, 1), formatNumber(row.after.chrf, 1))}, not in ${target} ${change(formatPercent(row.before.offTarget), formatPercent(row.after.offTarget))}</li>`;
}

function trainingSection(results: DemoResults): string {
  const { loss, seconds } = results;
  const points = (value: (point: DemoResults['loss'][number]) => number) =>
    loss.map((point): [number, number] => [point.step, value(point)]);
  const raw = points((point) => point.loss);
  const chart = (image: string, caption: string) =>
    `<figure>${image}<figcaption>${caption}</figcaption></figure>`;
  const last = loss.at(-1);
  const stages = Object.entries(seconds).map(([label, value]) => ({
    label,
    value,
    text: formatDuration(value),
  }));
  return `<h2>Training and time</h2>
<div class="figures two">
${chart(
  lineChart(
    `Training loss by step${Number.isFinite(last?.loss) ? `, ending at ${formatNumber(last?.loss, 2)}` : ''}`,
    [
      { kind: 'raw', points: raw },
      { kind: 'main', points: movingAverage(raw) },
    ],
    { x: 'step', y: 'loss, nats per token' },
  ),
  'Cross-entropy of the training batches (thin) and its moving average. Its fall shows only that the model fits the training data.',
)}
${chart(
  lineChart('Learning rate by step', [{ kind: 'main', points: points((point) => point.learningRate) }], {
    x: 'step',
    y: 'learning rate',
    fromZero: true,
  }),
  'Step size of the optimiser.',
)}
${chart(
  lineChart('Training speed by step', [{ kind: 'main', points: points((point) => point.tokensPerSecond) }], {
    x: 'step',
    y: 'target tokens per second',
    fromZero: true,
  }),
  'Target tokens trained on in each second.',
)}
${chart(barList('Wall-clock time of each stage', stages), 'Wall-clock time of each stage.')}
</div>`;
}

function limitsSection(results: DemoResults): string {
  const counts = results.transfer.map((row) => row.n).filter((n) => n > 0);
  const synthetic = results.transfer.some((row) => row.voice === 'synthetic');
  return `<h2>What this does and does not show</h2>
<div class="cards">
<section class="card"><h3>What it shows</h3><ul class="plain">
<li>The whole path runs here, from recordings to a fine-tuned model and its scores, on ${escapeHtml(results.machine.cpu)}.</li>
<li>The three questions are kept apart: new sentences in the language trained on, known sentences in another language, and sentences new in every language.</li>
<li>Only the decoder was trained, and only with English speech: a better translation from another language had to come through what the encoder’s output shares with English.</li>
</ul></section>
<section class="card"><h3>What it does not show</h3><ul class="plain">
${counts.length ? `<li>Small samples: ${formatNumber(smallest(counts, Number))} to ${formatNumber(largest(counts, Number))} clips a test. Differences of a few points may be chance.</li>` : ''}
<li>“Known sentence” can be answered by recalling a sentence seen in training. Only “new sentence” asks for translation.</li>
<li>One speaker per language and set: language and speaker cannot be separated.</li>
${synthetic ? '<li>Synthetic voices are cleaner and more alike than people; the rows that are marked so say little about real speech.</li>' : ''}
<li>The references translate the written sentence. Some recordings are older than the text and differ from it, which costs points before and after alike.</li>
<li>Forgetting (English recognition, translation into English) is not measured on this page.</li>
</ul></section>
<section class="card"><h3>What a full-scale run needs</h3><ul class="plain">
<li>Data: CoVoST 2 English→Chinese has 289,430 training clips; this run had ${formatNumber(results.settings.trainClips)}.</li>
<li>Tests: FLEURS, one recording per sentence, and the test part of CoVoST 2, among them languages which Whisper has never seen (Kabuverdianu, Asturian, Cebuano, Kyrgyz, Sorani Kurdish, Irish in the study that this follows: Ma, Qian, Fathullah et al., arXiv 2407.01130).</li>
<li>Steps: recipes of this kind use batches of 64 for 3,000 to 5,000 steps at 1e-5 with 500 warm-up steps, stopping early on development BLEU.</li>
<li>For orientation only, on other data than here: published CoVoST 2 English→Chinese BLEU runs from 30.0 (SeamlessM4T-Medium) to 49.1 (Step-Audio 2).</li>
</ul></section>
</div>`;
}

function reproduceSection(results: DemoResults): string {
  const { machine, settings, signatures } = results;
  return `<h2>To hear it at work</h2>
<p><code>npx whisper-transfer serve --model out/demo/model</code> serves the model that this run left in the folder <code>model</code> beside this page. At the address that it prints is a page that writes and translates what you say while you say it, or a recording that you drop on it. It is there while the server runs, and nothing leaves your machine.</p>
<h2>To run it again</h2>
<div class="cards settings">
<section class="card"><h3>Settings</h3>${definitions([
    ['model', results.model],
    ...Object.entries(settings).map(([name, value]): [string, unknown] => [spaced(name), value]),
  ])}</section>
<section class="card"><h3>Machine and versions</h3>${definitions([
    ['processor', machine.cpu],
    ['cores', formatNumber(machine.cores)],
    ['memory', `${formatNumber(machine.memoryGb, 1)} GB`],
    ['peak memory used', `${formatNumber(results.peakMemoryMb)} MB`],
    ['node', machine.node],
    ['onnxruntime', machine.onnxruntime],
    ['whisper-transfer', results.version],
  ])}</section>
<section class="card"><h3>Metric signatures</h3>${definitions(
    [
      ['BLEU', signatures.bleu],
      ['chrF', signatures.chrf],
    ],
    'long',
  )}</section>
</div>`;
}
