/** Utterances as points in a plane: their mean frames by principal components and by UMAP. */

import { EigenvalueDecomposition, Matrix } from 'ml-matrix';
import { UMAP } from 'umap-js';
import { takeTurn } from '../../abort.ts';
import { referenceIn } from '../../data/clip.ts';
import { largest, smallest } from '../../extremes.ts';
import { placesBy } from '../../lists.ts';
import { sfc32, uniform } from '../../random.ts';
import { escapeHtml } from '../../report/escape.ts';
import { csvText, type Figure } from '../../report/figure.ts';
import { languageName } from '../../report/format.ts';
import { seriesColour } from '../../report/palette.ts';
import { coordinate, svg } from '../../report/svg.ts';
import { heldClip } from '../../retrieval/clip-blocks.ts';
import { meanFrame } from '../../retrieval/mean-pool.ts';
import type { ParallelClip, ParallelClips } from '../../retrieval/parallel-clips.ts';
import { centred } from '../../retrieval/prepare-clips.ts';
import { dot } from '../../vectors.ts';
import { frameValues } from '../../whisper/encoded-clip.ts';

const SEED = 1;

/** Mean frames scaled to length 1, as retrieval by their cosine sees them. */
async function unitMeans(
  languages: ParallelClips,
  isCentred: boolean,
): Promise<{ clips: ParallelClip[]; rows: Float64Array[] }> {
  const clips: ParallelClip[] = [];
  const rows: Float64Array[] = [];
  for (const language of languages.names) {
    const own = languages.of(language).filter(({ encoded }) => encoded.length > 0);
    const encoded = own.map((one) => one.encoded);
    for (const clip of isCentred ? await centred(encoded) : encoded) {
      const mean = Float64Array.from(frameValues(meanFrame(await heldClip(clip))));
      const norm = Math.sqrt(mean.reduce((sum, x) => sum + x * x, 0)) || 1;
      rows.push(mean.map((x) => x / norm));
    }
    for (const clip of own) clips.push(clip);
  }
  return { clips, rows };
}

/**
 * The first two principal components, each with the share of the variance that it holds.
 * @param rows [n, width]
 * @returns [n, 2]; the sign of a component is such that its largest value is positive
 */
export function principalComponents(rows: readonly Float64Array[]): { points: number[][]; shares: number[] } {
  const n = rows.length;
  const width = rows[0]!.length;
  const mean = new Float64Array(width);
  for (const row of rows) for (let k = 0; k < width; k++) mean[k]! += row[k]! / n;
  const centredRows = rows.map((row) => row.map((x, k) => x - mean[k]!));
  // Of n points there are fewer products than of the width's dimensions, mostly; both have the same components.
  const gram = Matrix.zeros(n, n);
  for (let i = 0; i < n; i++) {
    for (let j = 0; j <= i; j++) {
      const value = dot(centredRows[i]!, centredRows[j]!);
      gram.set(i, j, value);
      gram.set(j, i, value);
    }
  }
  const { realEigenvalues: values, eigenvectorMatrix: vectors } = new EigenvalueDecomposition(gram, {
    assumeSymmetric: true,
  });
  const total = values.reduce((sum, value) => sum + Math.max(0, value), 0) || 1;
  const order = values
    .map((_, i) => i)
    .sort((a, b) => values[b]! - values[a]!)
    .slice(0, 2);
  const axes = order.map((column) => {
    const length = Math.sqrt(Math.max(0, values[column]!));
    const axis = rows.map((_, i) => vectors.get(i, column) * length);
    const largest = axis.reduce((best, x) => (Math.abs(x) > Math.abs(best) ? x : best), 0);
    return largest < 0 ? axis.map((x) => -x) : axis;
  });
  return {
    points: rows.map((_, i) => [axes[0]![i]!, axes[1]?.[i] ?? 0]),
    shares: order.map((column) => Math.max(0, values[column]!) / total),
  };
}

/** UMAP (McInnes et al. 2018) by umap-js, of unit vectors: their distance orders as their cosine. */
async function umap(rows: readonly Float64Array[], signal: AbortSignal | undefined): Promise<number[][]> {
  const draw = sfc32(SEED);
  const neighbours = Math.min(15, rows.length - 1);
  const model = new UMAP({ nNeighbors: neighbours, minDist: 0.1, random: () => uniform(draw) });
  const epochs = model.initializeFit(rows.map((row) => [...row]));
  for (let epoch = 0; epoch < epochs; epoch++) {
    model.step();
    await takeTurn(signal);
  }
  return model.getEmbedding();
}

/** Shares of the clips whose nearest neighbour is of the same language, and of the same sentence. */
function neighbourShares(clips: readonly ParallelClip[], rows: readonly Float64Array[]) {
  let [language, sentence] = [0, 0];
  rows.forEach((row, i) => {
    let best = -1;
    let most = Number.NEGATIVE_INFINITY;
    rows.forEach((other, j) => {
      if (j === i) return;
      let cosine = 0;
      for (let k = 0; k < row.length; k++) cosine += row[k]! * other[k]!;
      if (cosine > most) [most, best] = [cosine, j];
    });
    const [own, near] = [clips[i]!.clip, clips[best]!.clip];
    if (own.language === near.language) language++;
    if (own.key !== '' && own.key === near.key) sentence++;
  });
  return { language: language / rows.length, sentence: sentence / rows.length };
}

/** Both projections of the frames as they are and centred by language, each coloured by language and by sentence. */
export async function projectionFigures(
  languages: ParallelClips,
  clipId: (clip: ParallelClip) => string,
  signal?: AbortSignal | undefined,
): Promise<Figure[]> {
  const asTheyAre = await figures(await unitMeans(languages, false), false, clipId, signal);
  return [...asTheyAre, ...(await figures(await unitMeans(languages, true), true, clipId, signal))];
}

async function figures(
  { clips, rows }: Awaited<ReturnType<typeof unitMeans>>,
  isCentred: boolean,
  clipId: (clip: ParallelClip) => string,
  signal: AbortSignal | undefined,
): Promise<Figure[]> {
  if (clips.length < 4) return [];
  await takeTurn(signal);
  const near = neighbourShares(clips, rows);
  const percent = (share: number) => `${(100 * share).toFixed(0)} %`;
  const how = isCentred ? 'each language’s mean frame subtracted' : 'frames as they are';
  const nearest = `In all dimensions the most similar other clip is of the same language for ${percent(near.language)} of the clips, and the same sentence for ${percent(near.sentence)}.`;
  const pca = principalComponents(rows);
  const kinds = [
    {
      kind: 'pca',
      name: 'Principal components',
      points: pca.points,
      axes: pca.shares.map((share, i) => `component ${i + 1} (${percent(share)} of the variance)`),
    },
    {
      kind: 'umap',
      name: 'UMAP',
      points: await umap(rows, signal),
      axes: ['UMAP 1 (no unit)', 'UMAP 2 (no unit)'],
    },
  ];
  return kinds.flatMap(({ kind, name, points, axes }) =>
    (['language', 'sentence'] as const).map(
      (by): Figure => ({
        name: `${kind}-${isCentred ? 'centred' : 'plain'}-by-${by}`,
        caption: `${name} of mean frames, ${how}, coloured by ${by}; grey lines join the same sentence in different languages. ${nearest}`,
        svg: scatter(`${name}, by ${by}`, clips, points, axes, by, clipId),
        csv: csvText([
          ['audio', 'language', 'sentence', 'x', 'y'],
          ...clips.map(({ clip }, i) => [
            clip.audio.split('/').at(-1)!,
            clip.language,
            clip.key,
            ...points[i]!,
          ]),
        ]),
      }),
    ),
  );
}

const MARKS: readonly ((x: number, y: number) => string)[] = [
  (x, y) => `M${x - 4} ${y}a4 4 0 1 0 8 0a4 4 0 1 0 -8 0z`,
  (x, y) => `M${x - 4} ${y - 4}h8v8h-8z`,
  (x, y) => `M${x} ${y - 5}L${x + 5} ${y + 4}L${x - 5} ${y + 4}z`,
  (x, y) => `M${x} ${y - 5.5}L${x + 5.5} ${y}L${x} ${y + 5.5}L${x - 5.5} ${y}z`,
];

function scatter(
  title: string,
  clips: readonly ParallelClip[],
  points: readonly (readonly number[])[],
  axes: readonly string[],
  by: 'language' | 'sentence',
  clipId: (clip: ParallelClip) => string,
): string {
  const [width, height, margin, bottom] = [440, 400, 12, 58];
  const scaleOf = (axis: number, from: number, to: number) => {
    const values = points.map((point) => point[axis]!);
    const [low, high] = [smallest(values, Number), largest(values, Number)];
    return (value: number) => coordinate(from + ((value - low) / (high - low || 1)) * (to - from));
  };
  const toX = scaleOf(0, margin + 6, width - margin - 6);
  const toY = scaleOf(1, height - bottom - 6, margin + 6);
  const languages = [...new Set(clips.map(({ clip }) => clip.language))];
  const keys = [...new Set(clips.map(({ clip }) => clip.key))];
  const place = points.map(([x, y]) => [toX(x!), toY(y!)] as const);
  const joined = [...placesBy(clips, ({ clip }) => clip.key)]
    .filter(([key, members]) => key !== '' && members.length > 1)
    .map(([, members]) => `M${members.map((i) => place[i]!.join(' ')).join('L')}`)
    .join('');
  const marks = clips.map((one, i) => {
    const { language, key } = one.clip;
    const colour =
      by === 'language'
        ? seriesColour(languages.indexOf(language))
        : `hsl(${Math.round((360 * keys.indexOf(key)) / keys.length)} 70% ${[38, 52, 66][keys.indexOf(key) % 3]}%)`;
    const mark = MARKS[languages.indexOf(language) % MARKS.length]!;
    return `<path class="play" data-play="${escapeHtml(clipId(one))}" d="${mark(...place[i]!)}" fill="${colour}" fill-opacity=".85" stroke="#fff" stroke-width=".6"><title>${escapeHtml(`${languageName(language)}: ${referenceIn(one.clip, 'en') || key}`)}</title></path>`;
  });
  const legend = languages.map((language, i) => {
    const x = margin + 8 + i * 100;
    const fill = by === 'language' ? seriesColour(i) : 'currentColor';
    return `<path d="${MARKS[i % MARKS.length]!(x, height - 10)}" fill="${fill}"/><text class="label" x="${x + 10}" y="${height - 6}">${escapeHtml(languageName(language))}</text>`;
  });
  const frame = `<path class="grid" fill="none" d="M${margin} ${margin}V${height - bottom}H${width - margin}"/>`;
  return svg(
    title,
    width,
    height,
    `${frame}<path d="${joined}" fill="none" stroke="#888" stroke-opacity=".28"/>${marks.join('')}` +
      `<text class="axis middle" x="${width / 2}" y="${height - bottom + 18}">${escapeHtml(axes[0]!)} →</text>` +
      `<text class="axis" x="${margin + 4}" y="${margin + 8}">↑ ${escapeHtml(axes[1]!)}</text>${legend.join('')}`,
  );
}
