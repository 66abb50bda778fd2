/** The page of an analysis: retrieval, layers, sound or sense, alignments, projections, early exit. */
import { referenceIn } from '../../data/clip.ts';
import { escapeHtml } from '../../report/escape.ts';
import { type Figure, figureHtml } from '../../report/figure.ts';
import { formatNumber, languageName } from '../../report/format.ts';
import { htmlTable } from '../../report/html-table.ts';
import { htmlPage } from '../../report/page.ts';
import { pageStyle } from '../../report/page-style.ts';
import { retrievalContent } from '../../retrieval/page.ts';
import type { ParallelClip } from '../../retrieval/parallel-clips.ts';
import type { PairResult } from '../../retrieval/study.ts';
import type { Alignment, WordMatch } from './alignment.ts';
import type { EarlyExitRow } from './early-exit.ts';
import { type AlikeSentence, type PhoneticRow, percent, phoneticColumns } from './phonetic.ts';
import { type Players, playScript, playStyle } from './players.ts';

/** The nearest neighbours of a clip. */
export interface Neighbours {
  readonly of: ParallelClip;
  readonly metric: string;
  readonly nearest: readonly { readonly clip: ParallelClip; readonly score: number }[];
}

export interface AnalysisParts {
  readonly model: string;
  readonly retrieval: { readonly results: readonly PairResult[]; readonly figures: readonly Figure[] };
  readonly layers?: { readonly figures: readonly Figure[]; readonly sentences: number };
  readonly phonetic?: {
    readonly rows: readonly PhoneticRow[];
    readonly sentences: readonly AlikeSentence[];
    readonly figures: readonly Figure[];
    /** Number of clips that the model transcribed. */
    readonly transcribed: number;
    /** Languages with a pronunciation dictionary. */
    readonly phonemesOf: readonly string[];
  };
  readonly alignments: readonly { readonly alignment: Alignment; readonly figure: Figure }[];
  readonly neighbours: readonly Neighbours[];
  readonly projection?: readonly Figure[];
  readonly earlyExit?: { readonly rows: readonly EarlyExitRow[]; readonly figure: Figure };
}

export async function analysisPage(parts: AnalysisParts, players: Players): Promise<string> {
  const title = 'Do these languages share a space in the encoder?';
  const content = `<h1>${title}</h1>
<p class="soft">${escapeHtml(parts.model)}</p>
<h2>Retrieval</h2>
${retrievalContent(parts.retrieval.results, parts.retrieval.figures)}
${layers(parts)}
${phonetic(parts)}
${alignments(parts, players)}
${parts.neighbours.length > 0 ? `<h2>Nearest neighbours</h2>${parts.neighbours.map((one) => neighbours(one, players)).join('\n')}` : ''}
${projection(parts)}
${earlyExit(parts)}
${await players.html()}`;
  return htmlPage(title, pageStyle + playStyle, content, playScript);
}

const figures = (list: readonly Figure[], kind = ''): string =>
  `<div class="figures ${kind}">${list.map(figureHtml).join('\n')}</div>`;

const layers = ({ layers: part }: AnalysisParts): string =>
  part
    ? `<h2>Layer by layer</h2>
<p>The same retrieval with what each encoder layer makes of the frames, on ${formatNumber(part.sentences)} sentences that all languages share.</p>
${figures(part.figures, 'wide')}`
    : '';

function phonetic({ phonetic: part }: AnalysisParts): string {
  if (!part) return '';
  const examples = part.sentences.slice(0, 200);
  return `<h2>Sound or sense</h2>
<p>Sentences can be matched without being understood where their translations share cognates, loanwords or names. Here words of four letters or more count as alike if they are spelled alike in Latin letters, or ${soundRule(part.phonemesOf)}. ${part.transcribed > 0 ? `The words of ${formatNumber(part.transcribed)} clips are not in the manifest and were transcribed by the model itself, with its errors.` : ''}</p>
${figures(part.figures)}
${htmlTable('Retrieval with and without words alike', part.rows, phoneticColumns)}
<details><summary>Words alike in each pair of sentences</summary>${htmlTable('Words alike', examples, [
    { heading: 'pair', value: ({ from, to }) => `${from} → ${to}` },
    { heading: 'sentence', value: ({ key }) => key },
    { heading: 'text', value: ({ textFrom }) => textFrom },
    { heading: 'translation', value: ({ textTo }) => textTo },
    { heading: 'alike', value: ({ alike }) => alike.map((pair) => pair.join(' ~ ')).join(', ') },
  ])}</details>`;
}

function soundRule(languages: readonly string[]): string {
  const metaphone = 'have the same consonants by Double Metaphone';
  return languages.length < 2
    ? metaphone
    : `have like phonemes (words that the dictionaries given for ${escapeHtml(languages.join(', '))} hold; of other words: ${metaphone})`;
}

function alignments({ alignments: list }: AnalysisParts, players: Players): string {
  if (list.length === 0) return '';
  return `<h2>Which stretch matched which</h2>
<p>SeqSim is a mean of best matches of frames, so that one decision can be read match by match.</p>
${list
  .map(
    ({
      alignment,
      figure,
    }) => `<h3>${escapeHtml(`${languageName(alignment.source.clip.language)} → ${languageName(alignment.target.clip.language)}`)} ${players.button(alignment.source)} ${players.button(alignment.target)}</h3>
${figures([figure], 'alignments')}
${htmlTable('Words and their matches', alignment.matches, matchColumns)}`,
  )
  .join('\n')}`;
}

const matchColumns = [
  { heading: 'word', value: ({ from }: WordMatch) => from.text.trim() },
  { heading: 'time', value: ({ from }: WordMatch) => `${from.start.toFixed(2)}–${from.end.toFixed(2)} s` },
  { heading: 'most of it matched', value: ({ to }: WordMatch) => to?.text.trim() ?? '(between words)' },
  {
    heading: 'its frames %',
    value: ({ share }: WordMatch) => (100 * share).toFixed(0),
    align: 'right' as const,
  },
  { heading: 'mean cosine', value: ({ cosine }: WordMatch) => cosine.toFixed(3), align: 'right' as const },
];

function neighbours({ of, metric, nearest }: Neighbours, players: Players): string {
  const rows = nearest.map(({ clip: one, score }, i) => {
    const right = one.clip.key !== '' && one.clip.key === of.clip.key;
    const text = referenceIn(one.clip, 'en') || one.clip.text;
    return `<tr><td class="number">${i + 1}</td><td>${players.button(one)}</td><td>${escapeHtml(languageName(one.clip.language))}</td><td>${right ? '<b>' : ''}${escapeHtml(one.clip.key)}${right ? '</b> (the same sentence)' : ''}</td><td>${escapeHtml(text)}</td><td class="number">${score.toFixed(3)}</td></tr>`;
  });
  return `<h3>${players.button(of)} ${escapeHtml(languageName(of.clip.language))}, ${escapeHtml(of.clip.key)}: ${escapeHtml(referenceIn(of.clip, 'en') || of.clip.text)}</h3>
<div class="scroll" tabindex="0" role="region" aria-label="Nearest neighbours of ${escapeHtml(of.clip.key)}"><table>
<thead><tr>${['rank', '', 'language', 'sentence', 'in English', metric].map((heading) => `<th scope="col">${escapeHtml(heading)}</th>`).join('')}</tr></thead>
<tbody>${rows.join('\n')}</tbody></table></div>`;
}

const projection = ({ projection: part }: AnalysisParts): string =>
  part
    ? `<h2>All utterances in a plane</h2>
<p>Each mark is a recording: its mean frame. Click to hear it. Where a language has one speaker, what divides languages here may be the speakers.</p>
${figures(part)}`
    : '';

function earlyExit({ earlyExit: part }: AnalysisParts): string {
  if (!part) return '';
  const examples = part.rows.flatMap(({ layer, language, texts }) =>
    texts.slice(0, 3).map(({ reference, text }) => ({ layer, language, reference, text })),
  );
  return `<h2>Early exit</h2>
${figures([part.figure], 'wide')}
${htmlTable('Error rates by exit layer', part.rows, [
  { heading: 'layers', value: ({ layer }) => layer },
  {
    heading: 'language',
    value: ({ language, promptedAs }) =>
      promptedAs === undefined
        ? languageName(language)
        : `${languageName(language)}, prompted as ${languageName(promptedAs)}`,
  },
  { heading: 'n', value: ({ n }) => n },
  { heading: 'WER % [95 %]', value: ({ wer }) => percent(wer), align: 'right' },
  { heading: 'CER % [95 %]', value: ({ cer }) => percent(cer), align: 'right' },
])}
<details><summary>The first texts of each</summary>${htmlTable('Texts', examples, [
    { heading: 'layers', value: ({ layer }) => layer },
    { heading: 'language', value: ({ language }) => languageName(language) },
    { heading: 'said', value: ({ reference }) => reference },
    { heading: 'heard', value: ({ text }) => text },
  ])}</details>`;
}
