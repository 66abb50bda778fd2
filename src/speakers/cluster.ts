/** Agglomerative clustering of embeddings by their cosine, with average linkage. */

import { dot } from '../vectors.ts';

/** A merge of two clusters: indices below the number of vectors are vectors, those above earlier merges in their order. */
export interface Merge {
  readonly a: number;
  readonly b: number;
  /** Mean cosine between the vectors of one and those of the other. */
  readonly similarity: number;
}

/**
 * All merges of vectors of length 1, the most alike first. The mean cosine of two clusters is the product of their sums
 * over the number of pairs, so no table of distances is held; nearest-neighbour chains (Murtagh 1983) find the same merges
 * as a search for the best pair, as average linkage never makes a cluster more alike to a third than its parts were.
 */
export function averageLinkage(vectors: readonly Float32Array[]): Merge[] {
  const clusters = new Map(
    vectors.map((vector, i) => [i, { sum: Float64Array.from(vector), count: 1, node: i }]),
  );
  const found: { a: number; b: number; similarity: number; node: number }[] = [];
  const chain: number[] = [];
  while (clusters.size > 1) {
    if (chain.length === 0) chain.push(clusters.keys().next().value!);
    const top = chain.at(-1)!;
    const before = chain.at(-2);
    const own = clusters.get(top)!;
    let [nearest, best] = [-1, Number.NEGATIVE_INFINITY];
    for (const [other, { sum, count }] of clusters) {
      if (other === top) continue;
      const similarity = dot(own.sum, sum) / (own.count * count);
      // Of equals the one before in the chain: or it would never end.
      if (similarity > best || (similarity === best && other === before))
        [nearest, best] = [other, similarity];
    }
    if (nearest !== before) {
      chain.push(nearest);
      continue;
    }
    chain.length -= 2;
    const other = clusters.get(nearest)!;
    const node = vectors.length + found.length;
    found.push({ a: own.node, b: other.node, similarity: best, node });
    clusters.delete(nearest);
    clusters.set(top, {
      sum: own.sum.map((value, i) => value + other.sum[i]!),
      count: own.count + other.count,
      node,
    });
  }
  // A chain finds merges in its own order; a cluster's parts merged at a higher similarity, so sorting keeps them before it.
  const order = found
    .map((merge, i) => ({ ...merge, i }))
    .sort((x, y) => y.similarity - x.similarity || x.i - y.i);
  const place = new Map(order.map(({ node }, i) => [node, vectors.length + i]));
  return order.map(({ a, b, similarity }) => ({ a: place.get(a) ?? a, b: place.get(b) ?? b, similarity }));
}

/** Clusters after the first merges: for each vector the number of its cluster, from 0 in order of appearance. */
export function clustersAfter(vectors: number, merges: readonly Merge[], count: number): number[] {
  const parent = Array.from({ length: vectors + count }, (_, i) => i);
  for (const [i, { a, b }] of merges.slice(0, count).entries()) parent[a] = parent[b] = vectors + i;
  const root = (node: number): number => {
    while (parent[node] !== node) node = parent[node]!;
    return node;
  };
  const numbers = new Map<number, number>();
  return Array.from({ length: vectors }, (_, i) => {
    const own = root(i);
    if (!numbers.has(own)) numbers.set(own, numbers.size);
    return numbers.get(own)!;
  });
}
