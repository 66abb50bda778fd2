/** The results of a retrieval study as tables. */

import type { Column } from '../report/terminal.ts';
import type { Retrieval } from './retrieve.ts';
import { type Estimate, type MethodResult, MIN_QUERIES, type PairResult } from './study.ts';

export interface RetrievalRow {
  readonly pair: PairResult;
  readonly result: MethodResult;
}

export const retrievalRows = (pairs: readonly PairResult[]): RetrievalRow[] =>
  pairs.flatMap((pair) => pair.variants.map((result) => ({ pair, result })));

const percent = (share: number): string => (100 * share).toFixed(1);
const withInterval = ({ value, low, high }: Estimate): string =>
  `${percent(value)} [${percent(low)}, ${percent(high)}]`;

export function pValueText(p: number | undefined): string {
  if (p === undefined) return '';
  return p < 0.001 ? '<0.001' : p.toFixed(3);
}

/** Whether there are enough queries for intervals and p-values. */
export const isShown = ({ keys }: PairResult): boolean => keys.length >= MIN_QUERIES;

/** For people: percentages with their 95 % intervals. */
export const retrievalColumns: readonly Column<RetrievalRow>[] = [
  { heading: 'pair', value: ({ pair }) => `${pair.from} → ${pair.to}` },
  { heading: 'metric', value: ({ result }) => result.variant.label },
  {
    heading: 'R@1 % [95 %]',
    value: ({ pair, result }) => (isShown(pair) ? withInterval(result.r1) : percent(result.r1.value)),
    align: 'right',
  },
  { heading: 'R@5 %', value: ({ result }) => percent(result.r5.value), align: 'right' },
  { heading: 'R@10 %', value: ({ result }) => percent(result.r10.value), align: 'right' },
  { heading: 'MRR', value: ({ result }) => result.mrr.value.toFixed(3), align: 'right' },
  {
    heading: 'p',
    value: ({ pair, result }) => (isShown(pair) ? pValueText(result.pValue) : ''),
    align: 'right',
  },
  { heading: 'n', value: ({ pair }) => String(pair.keys.length), align: 'right' },
  { heading: 'chance %', value: ({ pair }) => percent(pair.chance), align: 'right' },
];

/** For programs: a row for each pair and metric, shares from 0 to 1; without intervals and p where queries are few. */
export const retrievalCsvColumns: readonly Column<RetrievalRow>[] = [
  { heading: 'from', value: ({ pair }) => pair.from },
  { heading: 'to', value: ({ pair }) => pair.to },
  { heading: 'metric', value: ({ result }) => result.variant.name },
  { heading: 'n', value: ({ pair }) => pair.keys.length },
  { heading: 'candidates', value: ({ pair }) => pair.candidates },
  { heading: 'chance', value: ({ pair }) => pair.chance },
  ...(['r1', 'r5', 'r10', 'mrr'] as const).flatMap((name) =>
    (['value', 'low', 'high'] as const).map((part) => ({
      heading: part === 'value' ? name : `${name}_${part}`,
      value: ({ pair, result }: RetrievalRow) =>
        part === 'value' || isShown(pair) ? result[name][part] : '',
    })),
  ),
  { heading: 'p_value', value: ({ pair, result }) => (isShown(pair) ? (result.pValue ?? '') : '') },
];

/** The object that `retrieve --json` prints: the numbers of one pair, or of all. */
export function retrievalJson({ pairs, clips: _, shortlist, ...facts }: Retrieval, all: boolean): object {
  const how = { ...facts, ...(shortlist !== undefined && { shortlist }) };
  return all ? { pairs: pairs.map(pairJson), ...how } : { ...pairJson(pairs[0]!), ...how };
}

/** The first metric's numbers stand at the top, the mean frame's under its name, and all of them in `metrics`. */
function pairJson(pair: PairResult) {
  const { from, to, keys, candidates, chance, variants } = pair;
  const rates = ({ r1, r5, r10, mrr }: MethodResult) => ({
    r1: r1.value,
    r5: r5.value,
    r10: r10.value,
    mrr: mrr.value,
  });
  const estimate = ({ value, low, high }: Estimate) => ({ value, ...(isShown(pair) && { low, high }) });
  const [first] = variants;
  const baseline = variants.find(({ variant }) => variant.metric === 'mean-pool');
  return {
    metric: first!.variant.name,
    from,
    to,
    n: keys.length,
    candidates,
    ...rates(first!),
    chance,
    ...(baseline && { meanPool: rates(baseline) }),
    metrics: variants.map(({ variant, ranks, pValue, r1, r5, r10, mrr }) => ({
      metric: variant.name,
      r1: estimate(r1),
      r5: estimate(r5),
      r10: estimate(r10),
      mrr: estimate(mrr),
      ...(pValue !== undefined && isShown(pair) && { pValue }),
      ranks: Object.fromEntries(ranks.map((rank, i) => [keys[i], rank])),
    })),
  };
}
