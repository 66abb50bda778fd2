/**
 * Retrieval at every encoder layer: where in the encoder do languages come to share a space? (After Shim et al., "Languages
 * in Multilingual Speech Foundation Models Align Both Phonetically and Semantically", arXiv 2505.19606.)
 */

import type { Clip } from '../../data/clip.ts';
import type { LayerCache } from '../../features/layer-cache.ts';
import { curves } from '../../report/curves.ts';
import { csvText, type Figure, fileName } from '../../report/figure.ts';
import { languageName } from '../../report/format.ts';
import type { RetrievalMethod } from '../../retrieval/methods.ts';
import { type ParallelClip, ParallelClips } from '../../retrieval/parallel-clips.ts';
import { type Estimate, estimates, type PairResult, retrievalStudy } from '../../retrieval/study.ts';

export interface LayerResult {
  /** 0: the input of the first layer. */
  readonly layer: number;
  /** Whether the encoder's final layer norm was applied, as where the encoder ends there. */
  readonly normed: boolean;
  readonly pairs: readonly PairResult[];
}

export interface LayerStudyOptions {
  readonly layers: readonly number[];
  readonly variants: readonly RetrievalMethod[];
  readonly onProgress?: (done: number, total: number, what: string) => void;
}

/** Retrieval at each layer. @param cache filled with the clips */
export async function layerStudy(
  cache: LayerCache,
  clips: readonly Clip[],
  { layers, variants, onProgress }: LayerStudyOptions,
): Promise<LayerResult[]> {
  const results: LayerResult[] = [];
  const { model } = cache;
  for (const layer of layers) {
    const raw: ParallelClip[] = [];
    for (const clip of clips) {
      const encoded = await cache.read(clip.audio, layer);
      if (encoded) raw.push({ clip, encoded });
    }
    for (const normed of [false, true]) {
      onProgress?.(results.length, 2 * layers.length, `layer ${layer}${normed ? ', layer norm' : ''}`);
      const encodedClips = normed
        ? await Promise.all(
            raw.map(async ({ clip, encoded }) => ({ clip, encoded: await model.withFinalNorm(encoded) })),
          )
        : raw;
      const languages = new ParallelClips(encodedClips);
      const pairs = await retrievalStudy(model.runtime, languages, languages.pairs(), { variants });
      results.push({ layer, normed, pairs });
    }
  }
  return results;
}

/** R@1 over the layers: a curve for each query language (all its pairs together), a figure for each method. */
export function layerFigures(
  results: readonly LayerResult[],
  variants: readonly RetrievalMethod[],
): Figure[] {
  return [true, false].flatMap((normed) =>
    variants.map((variant, i) =>
      layerFigure(
        results.filter((result) => result.normed === normed),
        variant,
        i,
        normed,
      ),
    ),
  );
}

function layerFigure(
  results: readonly LayerResult[],
  variant: RetrievalMethod,
  index: number,
  normed: boolean,
): Figure {
  const languages = [...new Set(results.flatMap(({ pairs }) => pairs.map(({ from }) => from)))];
  const byLanguage = languages.map((language) => ({
    language,
    points: results.map(({ layer, pairs }): { layer: number; r1: Estimate } => {
      const ranks = pairs.flatMap((pair) => (pair.from === language ? pair.variants[index]!.ranks : []));
      return { layer, r1: estimates(ranks).r1 };
    }),
  }));
  const chance = results[0]!.pairs.reduce((sum, pair) => sum + pair.chance / results[0]!.pairs.length, 0);
  const after = normed ? 'after the final layer norm' : 'before any layer norm';
  return {
    name: `layers-${fileName(variant.name)}-${normed ? 'normed' : 'raw'}`,
    caption: `R@1 by ${variant.label} at each encoder layer, ${after}: a curve for each language that searches, over all languages that are searched; bands are 95 % bootstrap intervals. Layer 0 is what enters the first layer.`,
    svg: curves(
      `R@1 by ${variant.label} at each encoder layer, ${after}`,
      byLanguage.map(({ language, points }) => ({
        label: `${languageName(language)} searches`,
        points: points.map(({ layer, r1 }) => ({
          x: layer,
          y: 100 * r1.value,
          low: 100 * r1.low,
          high: 100 * r1.high,
        })),
      })),
      { x: 'encoder layer', y: `R@1 (%), ${variant.label}`, level: { value: 100 * chance, label: 'chance' } },
    ),
    csv: csvText([
      ['layer', 'final_norm', 'metric', 'from', 'to', 'n', 'chance', 'r1', 'low', 'high'],
      ...results.flatMap(({ layer, pairs }) =>
        pairs.map(({ from, to, keys, chance, variants }) => {
          const { value, low, high } = variants[index]!.r1;
          return [layer, String(normed), variant.name, from, to, keys.length, chance, value, low, high];
        }),
      ),
    ]),
  };
}
