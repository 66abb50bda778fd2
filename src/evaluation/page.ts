/** The evaluation's report: bars, tables, the worst sentences to listen to, and how to get the same numbers. */

import { largest } from '../extremes.ts';
import { escapeHtml } from '../report/escape.ts';
import { formatDuration, formatNumber, languageName } from '../report/format.ts';
import { definitions, spaced } from '../report/html-table.ts';
import { htmlPage } from '../report/page.ts';
import { pageStyle } from '../report/page-style.ts';
import { barGroups } from '../report/svg.ts';
import { ceiling } from '../report/ticks.ts';
import { worstSection } from './page-examples.ts';
import {
  AVERAGE,
  type EvaluationResults,
  type EvaluationRow,
  mainRows,
  type WorstSentence,
} from './results.ts';
import { evaluationTables, headingOf, languageLabel, metricsOf, type NamedTable } from './tables.ts';

/** Grey for the baseline, then five colours in turn. */
const SYSTEM_COLOURS = 6;
const style = `${pageStyle}
:root{--s2:#b06a00;--s3:#6a4fb3;--s4:#2f6fc4;--s5:#a3262a}
@media screen and (prefers-color-scheme:dark){:root{--s2:#f0b95c;--s3:#b9a2f5;--s4:#86b7f7;--s5:#ff9a94}}
.system-0{fill:var(--before);background:var(--before)}.system-1{fill:var(--after);background:var(--after)}
${[2, 3, 4, 5].map((i) => `.system-${i}{fill:var(--s${i});background:var(--s${i})}`).join('')}
svg .interval{stroke:var(--ink);stroke-width:1.1;fill:none;opacity:.7}
.systems{display:flex;flex-wrap:wrap;gap:.2rem 1.2rem;list-style:none;padding:0;margin:.4rem 0 .6rem;font-size:.92rem}
dl.answers{grid-template-columns:minmax(0,1fr);gap:.1rem 0}
dl.answers dd{margin:0 0 .5rem}
table{font-size:.84rem}th,td{padding:.4rem .45rem}main{max-width:1300px}
`;

/** @param worst with the systems in the order of the rows */
export function evaluationReport(results: EvaluationResults, worst: readonly WorstSentence[]): string {
  const rows = mainRows(results);
  const tables = evaluationTables(results);
  const title = titleOf(rows[0]!.test);
  return htmlPage(
    title,
    style,
    [
      header(title, results, rows),
      bars(rows),
      ...tables.map(section),
      worstSection(worst, results.models.at(-1)!.name, targetOf(rows[0]!.test)),
      reproduce(results),
    ].join('\n'),
  );
}

const targetOf = (test: string): string | undefined => /into ([\w-]+)$/.exec(test)?.[1];

function titleOf(test: string): string {
  const target = targetOf(test);
  return target === undefined ? 'Speech recognition' : `Speech translation into ${languageName(target)}`;
}

function header(title: string, results: EvaluationResults, rows: readonly EvaluationRow[]): string {
  const { selection, models, unreadable, notes } = results;
  const sizes = new Map<string, number>();
  for (const { language, n } of rows) {
    if (language !== AVERAGE) sizes.set(language, Math.max(n, sizes.get(language) ?? 0));
  }
  const what = selection.set === null ? 'all sets' : `set “${selection.set}”`;
  const remarks = [
    ...notes,
    ...unreadable.map(({ audio, error }) => `${audio} could not be read and is in no score: ${error}`),
  ];
  return `<header>
<h1>${escapeHtml(title)}</h1>
<p class="lead">${escapeHtml(models.map(({ name }) => name).join(', '))} on ${escapeHtml(results.manifest)}, ${escapeHtml(what)}.</p>
<ul class="chips">${[...sizes].map(([language, n]) => `<li>${escapeHtml(languageName(language))} <b>${formatNumber(n)}</b> clips</li>`).join('')}</ul>
${remarks.length > 0 ? `<ul class="plain soft">${remarks.map((remark) => `<li>${escapeHtml(remark)}</li>`).join('')}</ul>` : ''}
</header>`;
}

/** Metrics of which lower is better. */
const ERRORS = ['ter', 'wer', 'cer', 'mer', 'off-target', 'hallucination'];
/** Metrics without a chart, as another one is nearly the same; the table has all. */
const NOT_DRAWN = ['chrf++', 'mer'];

function bars(rows: readonly EvaluationRow[]): string {
  const systems = [...new Set(rows.map(systemOf))];
  const languages = [...new Set(rows.map(({ language }) => language))];
  const figures = metricsOf(rows)
    .filter((metric) => !NOT_DRAWN.includes(metric))
    .map((metric) => {
      const groups = languages.map((language) => {
        const own = rows.filter((row) => row.language === language && row.scores[metric]);
        const n = Math.max(
          0,
          largest(own, (row) => row.n),
        );
        const name = language === AVERAGE ? languageLabel(own[0] ?? rows.at(-1)!) : languageName(language);
        return {
          label: language === AVERAGE ? name : `${name}, ${formatNumber(n)} clips`,
          bars: own.map((row) => {
            const { score, interval } = row.scores[metric]!;
            return {
              className: className(systems.indexOf(systemOf(row))),
              value: score,
              interval: [interval.low, interval.high] as const,
            };
          }),
        };
      });
      const shown = groups.filter((group) => group.bars.length > 0);
      const high = ceiling(shown.flatMap((group) => group.bars.map(({ interval }) => interval[1])));
      const digits = metric === 'comet' ? 3 : 1;
      const heading = headingOf(metric)
        .replace('halluc.', 'signs of hallucination, %')
        .replace('off-target', 'off target, %');
      const better = ERRORS.includes(metric) ? 'Lower is better.' : 'Higher is better.';
      return `<figure><h3>${escapeHtml(heading)}</h3>${barGroups(`${heading} by language`, shown, metric === 'comet' ? 1 : high, (value) => formatNumber(value, digits))}<figcaption>${better}</figcaption></figure>`;
    });
  const keys = systems.map(
    (system, i) =>
      `<li><span class="key ${className(i)}" aria-hidden="true"></span>${escapeHtml(system)}</li>`,
  );
  return `<h2>Scores by language</h2>
<ul class="systems">${keys.join('')}</ul>
<p class="soft">Thin lines: 95&nbsp;% intervals of bootstrap resamples of the clips. Few clips make them wide, and of two bars whose lines overlap much either may be the better one.</p>
<div class="figures">${figures.join('\n')}</div>`;
}

const systemOf = ({ model, prompt }: EvaluationRow): string =>
  prompt === 'transcribe' ? model : `${model}, ${prompt}`;

const className = (system: number): string =>
  `system-${system < SYSTEM_COLOURS ? system : 1 + ((system - 1) % (SYSTEM_COLOURS - 1))}`;

const HEADINGS: Readonly<Record<NamedTable['name'], string>> = {
  table: 'All scores',
  comparison: 'Differences',
  english: 'The English half',
  forgetting: 'Forgetting',
};

const REMARKS: Readonly<Record<NamedTable['name'], string>> = {
  table:
    '“Off-target” is the share of outputs in another language, judged by scripts and words; “halluc.” that of outputs which loop or run on. An average counts every language the same.',
  comparison:
    'In brackets: how often chance alone would make a difference at least as large. A small test set finds large differences only.',
  english:
    'English first: the decoder writes an English text, then goes on in the target language. What is wrong here is wrong there, too.',
  forgetting:
    'Decoded as plain Whisper: with its own prompts, without target vocabulary and language model. Retrieval looks at the encoder alone; it cannot change where only the decoder was trained. A few outputs that loop (“halluc.”) weigh heavily in BLEU and WER: a difference may come from them alone.',
};

function section({ name, caption, html }: NamedTable): string {
  return `<h2>${HEADINGS[name]}</h2>
<p>${escapeHtml(caption)}.</p>
${html()}
<p class="soft">${REMARKS[name]}</p>`;
}

function reproduce(results: EvaluationResults): string {
  const { machine, models, settings, signatures, resampling } = results;
  return `<h2>To get the same numbers</h2>
<div class="cards settings">
<section class="card"><h3>Models</h3>${models
    .map(({ name, fingerprint, encoderFingerprint, trained }) =>
      definitions([
        ['name', name],
        ['fingerprint', fingerprint],
        ['encoder', encoderFingerprint],
        [
          'trained for',
          trained ? `${(trained.targets ?? [trained.target]).join(', ')}, ${trained.kind}` : 'nothing known',
        ],
      ]),
    )
    .join('<br>')}</section>
<section class="card"><h3>Settings</h3>${definitions([
    ...Object.entries(settings).map(([name, value]) => [spaced(name), value] as const),
    ['paired test', resampling.test],
    ['samples', formatNumber(resampling.samples)],
    ['seed of resampling', resampling.seed],
  ])}</section>
<section class="card"><h3>Machine and versions</h3>${definitions([
    ['finished', results.date],
    ['took', formatDuration(results.seconds)],
    ['processor', machine.cpu],
    ['cores', formatNumber(machine.cores)],
    ['node', machine.node],
    ['onnxruntime', machine.onnxruntime],
    ['whisper-transfer', results.version],
  ])}</section>
${Object.entries(signatures)
  .map(
    ([test, metrics]) =>
      `<section class="card"><h3>Signatures: ${escapeHtml(test)}</h3>${definitions(
        Object.entries(metrics).flatMap(([metric, all]) =>
          all.map((one) => [headingOf(metric), one] as const),
        ),
        'long',
      )}</section>`,
  )
  .join('\n')}
</div>`;
}
