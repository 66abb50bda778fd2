/** The picture of an alignment: cosines of frames between both waveforms, with the words along the axes. */

import { readAudio } from '../../audio/audio-file.ts';
import { escapeHtml } from '../../report/escape.ts';
import { csvText, type Figure } from '../../report/figure.ts';
import { formatNumber, languageName } from '../../report/format.ts';
import { colour } from '../../report/heat-map.ts';
import { coordinate, svg } from '../../report/svg.ts';
import type { ParallelClip } from '../../retrieval/parallel-clips.ts';
import { SAMPLES_PER_FRAME } from '../../whisper/encoded-clip.ts';
import { type Alignment, FRAME_RATE, type TimedWord } from './alignment.ts';

const MAX_CELLS = 96; // a side
const LEVELS = 32;
const [LEFT, TOP, SIDE, WAVE] = [150, 128, 470, 34];

export async function alignmentFigure(
  alignment: Alignment,
  clipId: (clip: ParallelClip) => string,
): Promise<Figure> {
  const { source, target, cosines, best, bestBack, seqSim, sourceWords, targetWords } = alignment;
  const [n, m] = [source.encoded.length, target.encoded.length];
  const toY = (frame: number) => coordinate(TOP + (frame / n) * SIDE);
  const toX = (frame: number) => coordinate(LEFT + (frame / m) * SIDE);
  const names = [source, target].map(({ clip }) => languageName(clip.language));
  const mutual = best.flatMap((j, i) => (bestBack[j] === i ? [[i, j] as const] : []));
  const dots = mutual
    .map(
      ([i, j]) =>
        `<circle cx="${toX(j + 0.5)}" cy="${toY(i + 0.5)}" r="2.6" fill="#fff" stroke="#000" stroke-width=".8"/>`,
    )
    .join('');
  const [rowWave, columnWave] = [await envelope(source), await envelope(target)];
  const title = `Which frames of the ${names[0]} clip match which of the ${names[1]} one`;
  const image = svg(
    title,
    LEFT + SIDE + 8,
    TOP + SIDE + 30,
    cells(cosines, n, m, toX, toY) +
      waveform(
        columnWave,
        (i, v) => `${toX((i / columnWave.length) * m)} ${coordinate(TOP - 4 - WAVE / 2 - (v * WAVE) / 2)}`,
      ) +
      waveform(
        rowWave,
        (i, v) => `${coordinate(LEFT - 4 - WAVE / 2 - (v * WAVE) / 2)} ${toY((i / rowWave.length) * n)}`,
      ) +
      dots +
      wordPairs(alignment, toX, toY, clipId) +
      words(
        targetWords,
        (x) => `<g transform="translate(${toX(x)} ${TOP - WAVE - 10}) rotate(-60)">`,
        clipId(target),
      ) +
      words(sourceWords, (y) => `<g transform="translate(4 ${toY(y) + 4})">`, clipId(source)) +
      `<text class="axis" x="4" y="${TOP + SIDE + 20}">↓ ${escapeHtml(names[0]!)}, ${formatNumber(n / FRAME_RATE, 1)} s</text>` +
      `<text class="axis end" x="${LEFT + SIDE}" y="${TOP + SIDE + 20}">${escapeHtml(names[1]!)}, ${formatNumber(m / FRAME_RATE, 1)} s →</text>`,
  );
  return {
    name: `alignment-${source.clip.language}-${target.clip.language}-${source.clip.key.replace(/[^\w.-]/g, '_')}`,
    caption: `${names[0]} “${source.clip.key}” against ${names[1]} “${target.clip.key}”: cosine of their frames, yellow the most alike; SeqSim ${seqSim.toFixed(3)}. Circles: frames that are each other’s best match. Click a word to hear it, a field to hear both words.`,
    svg: image,
    csv: csvText([
      ['source_s', 'target_s_of_best_match', 'cosine', 'mutual'],
      ...best.map((j, i) => [i / FRAME_RATE, j / FRAME_RATE, cosines[i * m + j]!, String(bestBack[j] === i)]),
    ]),
  };
}

/** Loudness over time, 400 values from 0 to 1. */
async function envelope({ clip, encoded }: ParallelClip): Promise<Float32Array> {
  const samples = (await readAudio(clip.audio)).subarray(0, encoded.length * SAMPLES_PER_FRAME);
  const count = 400;
  const loud = new Float32Array(count);
  samples.forEach((sample, i) => {
    const at = Math.min(count - 1, Math.floor((i * count) / samples.length));
    loud[at] = Math.max(loud[at]!, Math.abs(sample));
  });
  const most = loud.reduce((a, b) => Math.max(a, b), 1e-9);
  return loud.map((value) => value / most);
}

function waveform(values: Float32Array, at: (i: number, value: number) => string): string {
  const there = Array.from(values, (value, i) => at(i, value));
  const back = Array.from(values, (value, i) => at(i, -value)).reverse();
  return `<path fill="#7f7f7f" d="M${[...there, ...back].join('L')}z"/>`;
}

/** Cells of several frames show the largest cosine in them. Colours run from the 1st to the 99th percentile. */
function cells(
  cosines: Float32Array,
  n: number,
  m: number,
  toX: (frame: number) => number,
  toY: (frame: number) => number,
): string {
  const [rows, columns] = [Math.min(n, MAX_CELLS), Math.min(m, MAX_CELLS)];
  const values = new Float32Array(rows * columns).fill(Number.NEGATIVE_INFINITY);
  for (let i = 0; i < n; i++) {
    for (let j = 0; j < m; j++) {
      const at = Math.floor((i * rows) / n) * columns + Math.floor((j * columns) / m);
      values[at] = Math.max(values[at]!, cosines[i * m + j]!);
    }
  }
  const sorted = values.toSorted();
  const low = sorted[Math.floor(sorted.length * 0.01)]!;
  const high = Math.max(low + 1e-6, sorted[Math.ceil((sorted.length - 1) * 0.99)]!);
  const paths = new Array<string>(LEVELS).fill('');
  values.forEach((value, at) => {
    const level = Math.max(0, Math.min(LEVELS - 1, Math.floor(((value - low) / (high - low)) * LEVELS)));
    paths[level] += `M${at % columns} ${Math.floor(at / columns)}h1v1h-1z`;
  });
  const scaled = `translate(${toX(0)} ${toY(0)}) scale(${(SIDE / columns).toFixed(4)} ${(SIDE / rows).toFixed(4)})`;
  const filled = paths.map((path, i) =>
    path ? `<path fill="${colour(i / (LEVELS - 1))}" d="${path}"/>` : '',
  );
  return `<g transform="${scaled}" shape-rendering="crispEdges">${filled.join('')}</g>`;
}

function words(list: readonly TimedWord[], open: (frame: number) => string, id: string): string {
  return list
    .map(
      (word) =>
        `${open(((word.start + word.end) / 2) * FRAME_RATE)}<text class="label play" font-size="11" data-play="${escapeHtml(stretch(id, word))}">${escapeHtml(word.text.trim())}</text></g>`,
    )
    .join('');
}

function wordPairs(
  { source, target, sourceWords, targetWords }: Alignment,
  toX: (frame: number) => number,
  toY: (frame: number) => number,
  clipId: (clip: ParallelClip) => string,
): string {
  return sourceWords
    .flatMap((from) =>
      targetWords.map((to) => {
        const [x, y] = [toX(to.start * FRAME_RATE), toY(from.start * FRAME_RATE)];
        const width = Math.max(0, toX(to.end * FRAME_RATE) - x);
        const height = Math.max(0, toY(from.end * FRAME_RATE) - y);
        const play = `${stretch(clipId(source), from)} ${stretch(clipId(target), to)}`;
        return `<rect class="play" fill="#fff" fill-opacity="0" stroke="#fff" stroke-opacity=".22" stroke-width=".6" x="${x}" y="${y}" width="${coordinate(width)}" height="${coordinate(height)}" data-play="${escapeHtml(play)}"><title>${escapeHtml(`${from.text.trim()} · ${to.text.trim()}`)}</title></rect>`;
      }),
    )
    .join('');
}

/** Argument of the page's player: a recording's id and seconds. */
export const stretch = (id: string, { start, end }: TimedWord): string =>
  `${id}@${start.toFixed(2)}-${Math.max(end, start + 0.15).toFixed(2)}`;
