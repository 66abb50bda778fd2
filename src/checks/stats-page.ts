/** Counts of manifests as tables, for the terminal and as a page with charts. */
import { escapeHtml } from '../report/escape.ts';
import { formatNumber, formatPercent, languageName } from '../report/format.ts';
import { htmlTable } from '../report/html-table.ts';
import { packageVersion } from '../report/package-version.ts';
import { htmlPage } from '../report/page.ts';
import { pageStyle } from '../report/page-style.ts';
import { type Bar, barList } from '../report/svg.ts';
import type { Column } from '../report/terminal.ts';
import {
  type ClipCounts,
  type Histogram,
  type ManifestStats,
  quantile,
  type TextCounts,
} from './manifest-stats.ts';

export const hours = (seconds: number): string => formatNumber(seconds / 3600, seconds < 36_000 ? 2 : 0);

export const clipColumns: readonly Column<ClipCounts>[] = [
  { heading: 'language', value: ({ language }) => language || '–' },
  { heading: 'set', value: ({ set }) => set || '–' },
  { heading: 'clips', value: ({ clips }) => formatNumber(clips), align: 'right' },
  { heading: 'hours', value: ({ seconds }) => hours(seconds), align: 'right' },
  {
    heading: 'seconds a clip',
    value: ({ seconds, clips, unknown }) => formatNumber(seconds / Math.max(1, clips - unknown), 1),
    align: 'right',
  },
  {
    heading: 'speakers',
    value: ({ speakers }) => (speakers > 0 ? formatNumber(speakers) : '–'),
    align: 'right',
  },
];

/** @param room tokens of a text at most */
export const textColumns = (room: number): readonly Column<TextCounts>[] => [
  { heading: 'texts', value: ({ kind }) => kind },
  { heading: 'language', value: ({ language }) => language || '–' },
  { heading: 'number', value: ({ texts }) => formatNumber(texts), align: 'right' },
  { heading: 'of the clips', value: ({ texts, clips }) => formatPercent(texts / clips, 1), align: 'right' },
  {
    heading: 'characters a text',
    value: ({ characters, texts }) => formatNumber(characters / texts, 1),
    align: 'right',
  },
  {
    heading: 'tokens a text',
    value: ({ tokens }) => formatNumber(tokens.sum / tokens.count, 1),
    align: 'right',
  },
  {
    heading: '95 % below',
    value: ({ tokens }) => (tokens.count > 0 ? formatNumber(quantile(tokens, 0.95)) : '–'),
    align: 'right',
  },
  { heading: 'most', value: ({ tokens }) => formatNumber(tokens.largest), align: 'right' },
  { heading: `above ${room}`, value: ({ tooLong }) => formatNumber(tooLong), align: 'right' },
];

/** Bars of a chart: neighbouring bins are joined where there are more. */
const MAX_BARS = 16;

/** The bins that have values, from the first to the last. */
function bars({ counts, width, count }: Histogram): Bar[] {
  const last = counts.findLastIndex((one) => one > 0);
  const first = counts.findIndex((one) => one > 0);
  if (first < 0) return [];
  const joined = Math.ceil((last - first + 1) / MAX_BARS);
  const found: Bar[] = [];
  for (let bin = first; bin <= last; bin += joined) {
    const value = counts.slice(bin, bin + joined).reduce((sum, one) => sum + one, 0);
    const end = bin + joined;
    const label = end >= counts.length ? `from ${bin * width}` : `${bin * width} to ${end * width}`;
    found.push({ label, value, text: formatPercent(value / count, 1) });
  }
  return found;
}

function figure(title: string, histogram: Histogram): string {
  if (histogram.count === 0) return '';
  const { count, sum, largest, unit } = histogram;
  const mean = `${formatNumber(count)} values, mean ${formatNumber(sum / count, 1)}, largest ${formatNumber(largest, 1)} ${unit}`;
  return `<figure><h3>${escapeHtml(title)}</h3>${barList(`${title}, ${unit}`, bars(histogram))}<figcaption>${escapeHtml(mean)}</figcaption></figure>`;
}

const named = (language: string): string => (language === '' ? 'no language' : languageName(language));

export function statsPage(stats: ManifestStats): string {
  const { manifests, clips, seconds, unknown, counts, texts, lengths, speakers, room } = stats;
  const title = manifests.join(', ');
  const languages = new Set(counts.map(({ language }) => language)).size;
  const lacking =
    unknown > 0
      ? `<p>The length of ${formatNumber(unknown)} clips is not known: it stands neither in the manifest nor in the header of the file.</p>`
      : '';
  const share = (one: { seconds: number; clips: number }): number =>
    seconds > 0 ? one.seconds / seconds : one.clips / clips;
  const speakerTable =
    speakers.count === 0
      ? '<p>The manifest has no column <code>speaker</code>.</p>'
      : `<p>${formatNumber(speakers.count)} speakers; those with most speech:</p>${htmlTable(
          'Speakers',
          speakers.most,
          [
            { heading: 'speaker', value: ({ name }) => (name.length > 40 ? `${name.slice(0, 40)}…` : name) },
            { heading: 'clips', value: (one) => formatNumber(one.clips), align: 'right' },
            { heading: 'hours', value: (one) => hours(one.seconds), align: 'right' },
            { heading: 'share', value: (one) => formatPercent(share(one), 1), align: 'right' },
          ],
        )}`;
  return htmlPage(
    `Counts of ${title}`,
    pageStyle,
    `<header>
<h1>Counts of ${escapeHtml(title)}</h1>
<ul class="chips"><li><b>${hours(seconds)}</b> hours</li><li><b>${formatNumber(clips)}</b> clips</li><li><b>${formatNumber(languages)}</b> languages spoken</li><li><b>${speakers.count > 0 ? formatNumber(speakers.count) : '–'}</b> speakers</li><li>whisper-transfer ${escapeHtml(packageVersion)}</li></ul>
${lacking}
</header>
<h2>Speech by language and set</h2>
${htmlTable('Speech by language and set', counts, clipColumns)}
<h2>Texts by language</h2>
<p>Translations are counted among the clips in other languages. Tokens are Whisper’s; a text above ${formatNumber(room)} of them does not fit beside its prompt, and is left out of training.</p>
${htmlTable('Texts by language', texts, textColumns(room))}
<h2>Length of the clips</h2>
<div class="figures">${lengths.map(({ language, seconds: one }) => figure(`${named(language)}: seconds`, one)).join('\n')}</div>
<h2>Speed of speech</h2>
<p>Characters of the transcript in a second of the recording, pauses included.</p>
<div class="figures">${lengths.map(({ language, rates }) => figure(`${named(language)}: characters a second`, rates)).join('\n')}</div>
<h2>Length of the texts</h2>
<div class="figures">${texts.map(({ kind, language, tokens }) => figure(`${named(language)}, ${kind}s: tokens`, tokens)).join('\n')}</div>
<h2>Speakers</h2>
${speakerTable}`,
  );
}
