/**
 * Pronunciation-controlled retrieval (after Shim et al., arXiv 2505.19606): of sentences whose translations share no
 * words that look or sound alike, among the same candidates
 * as before, so that chance stays the same.
 */

import type { Clip } from '../../data/clip.ts';
import { csvText, type Figure, fileName } from '../../report/figure.ts';
import { languageName } from '../../report/format.ts';
import { barGroups } from '../../report/svg.ts';
import type { Column } from '../../report/terminal.ts';
import type { RetrievalMethod } from '../../retrieval/methods.ts';
import type { ParallelClips } from '../../retrieval/parallel-clips.ts';
import { type Estimate, estimates, type PairResult } from '../../retrieval/study.ts';
import type { Pronunciations } from './pronunciations.ts';
import { alikeWords, contentWords } from './sound-alike.ts';
import type { SpokenText } from './spoken-texts.ts';

export interface PhoneticRow {
  readonly from: string;
  readonly to: string;
  readonly variant: RetrievalMethod;
  readonly subset: 'all' | 'few alike' | 'none alike' | 'alike';
  readonly n: number;
  /** R@1; absent where no sentence is left. */
  readonly r1?: Estimate;
  readonly chance: number;
}

export interface AlikeSentence {
  readonly from: string;
  readonly to: string;
  readonly key: string;
  readonly textFrom: string;
  readonly textTo: string;
  readonly alike: readonly (readonly [string, string])[];
}

export const SUBSETS: Readonly<Record<PhoneticRow['subset'], string>> = {
  all: 'all sentences',
  'few alike': 'at most one word alike',
  'none alike': 'no word alike',
  alike: 'some word alike',
};

/**
 * Retrieval of all sentences and of those without alike words; sentences without a text are in `all` only.
 * @param pronunciations by language, where there are any
 */
export function phoneticStudy(
  results: readonly PairResult[],
  languages: ParallelClips,
  texts: ReadonlyMap<Clip, SpokenText>,
  pronunciations: ReadonlyMap<string, Pronunciations>,
): { rows: PhoneticRow[]; sentences: AlikeSentence[] } {
  const sentences: AlikeSentence[] = [];
  const rows = results.flatMap(({ from, to, chance, variants }) => {
    const shared = languages.shared(from, to);
    const alike = shared.map(({ row, column, key }) => {
      const textFrom = texts.get(languages.of(from)[row]!.clip)?.text ?? '';
      const textTo = texts.get(languages.of(to)[column]!.clip)?.text ?? '';
      if (textFrom === '' || textTo === '') return undefined;
      const words = alikeWords(
        contentWords(textFrom, from, pronunciations.get(from)),
        contentWords(textTo, to, pronunciations.get(to)),
      );
      sentences.push({ from, to, key, textFrom, textTo, alike: words });
      return words.length;
    });
    const chosen: Record<PhoneticRow['subset'], (count: number | undefined) => boolean> = {
      all: () => true,
      'few alike': (count) => count !== undefined && count <= 1,
      'none alike': (count) => count === 0,
      alike: (count) => count !== undefined && count > 0,
    };
    return variants.flatMap(({ variant, ranks }) =>
      (Object.keys(SUBSETS) as PhoneticRow['subset'][]).map((subset): PhoneticRow => {
        const own = ranks.filter((_, i) => chosen[subset](alike[i]));
        const row = { from, to, variant, subset, n: own.length, chance };
        return own.length > 0 ? { ...row, r1: estimates(own).r1 } : row;
      }),
    );
  });
  return { rows, sentences };
}

export const percent = ({ value, low, high }: Estimate): string =>
  `${(100 * value).toFixed(1)} [${(100 * low).toFixed(1)}, ${(100 * high).toFixed(1)}]`;

export const phoneticColumns: readonly Column<PhoneticRow>[] = [
  { heading: 'pair', value: ({ from, to }) => `${from} → ${to}` },
  { heading: 'metric', value: ({ variant }) => variant.label },
  { heading: 'sentences', value: ({ subset }) => SUBSETS[subset] },
  { heading: 'n', value: ({ n }) => n },
  { heading: 'R@1 % [95 %]', value: ({ r1 }) => (r1 ? percent(r1) : '–'), align: 'right' },
  { heading: 'chance %', value: ({ chance }) => (100 * chance).toFixed(1), align: 'right' },
];

/** R@1 of all sentences and of those without alike words, a figure for each method. */
export function phoneticFigures(rows: readonly PhoneticRow[]): Figure[] {
  const variants = [...new Set(rows.map(({ variant }) => variant))];
  return variants.map((variant) => {
    const own = rows.filter((row) => row.variant === variant);
    const pairs = own.filter(({ subset }) => subset === 'all');
    const bar = (className: string, row: PhoneticRow) => ({
      className,
      value: 100 * (row.r1?.value ?? Number.NaN),
      ...(row.r1 && { interval: [100 * row.r1.low, 100 * row.r1.high] as const }),
    });
    return {
      name: `phonetic-${fileName(variant.name)}`,
      caption: `R@1 (%) by ${variant.label}: grey all sentences, green only those whose translations share no word that looks or sounds alike, among the same candidates. Lines are 95 % bootstrap intervals.`,
      svg: barGroups(
        `R@1 by ${variant.label} with and without words alike`,
        pairs.map((all) => {
          const controlled = own.find(
            ({ from, to, subset }) => from === all.from && to === all.to && subset === 'none alike',
          )!;
          return {
            label: `${languageName(all.from)} → ${languageName(all.to)}: ${all.n} sentences, ${controlled.n} without a word alike`,
            bars: [bar('before', all), bar('after', controlled)],
          };
        }),
        100,
      ),
      csv: csvText([
        ['from', 'to', 'metric', 'sentences', 'n', 'chance', 'r1', 'low', 'high'],
        ...own.map(({ from, to, subset, n, r1, chance }) => [
          from,
          to,
          variant.name,
          SUBSETS[subset],
          n,
          chance,
          r1?.value ?? '',
          r1?.low ?? '',
          r1?.high ?? '',
        ]),
      ]),
    };
  });
}
