/** Speech-to-speech retrieval between languages by several metrics side by side. */
import { UserError } from '../errors.ts';
import { approximateRandomization, bootstrap } from '../evaluation/significance.ts';
import type { Runtime } from '../graph/runtime.ts';
import type { WeightedClip } from '../retrieval/clip-blocks.ts';
import { csls } from '../retrieval/csls.ts';
import { METRICS } from '../retrieval/metrics.ts';
import { centred, rareFramesFirst, withFrames } from '../retrieval/prepare-clips.ts';
import { answerRanks, transposed } from '../retrieval/recall.ts';
import { isQuickExactly, shortlistedSeqSim } from '../retrieval/shortlist.ts';
import { readAudio } from '../speech/audio-file.ts';
import type { Clip } from '../speech/manifest.ts';
import { speechFlags } from '../speech/voice-activity.ts';
import { type EncodedClip, SAMPLES_PER_FRAME } from '../whisper/model.ts';
import type { Variant } from './variants.ts';

/** A recording of a sentence, heard. */
export interface HeardClip {
  readonly clip: Clip;
  readonly encoded: EncodedClip;
}

/** A share with its 95 % bootstrap interval over the utterances that search. */
export interface Estimate {
  readonly value: number;
  readonly low: number;
  readonly high: number;
}

export interface VariantResult {
  readonly variant: Variant;
  readonly r1: Estimate;
  readonly r5: Estimate;
  readonly r10: Estimate;
  readonly mrr: Estimate;
  /** Of each utterance, in the order of `keys`. */
  readonly ranks: readonly number[];
  /** R@1 against the first variant's: paired approximate randomisation over utterances, not corrected for how many. */
  readonly pValue?: number;
}

export interface PairResult {
  readonly from: string;
  readonly to: string;
  /** Sentences of the utterances that search. */
  readonly keys: readonly string[];
  readonly candidates: number;
  /** R@1 of a blind guess. */
  readonly chance: number;
  readonly variants: readonly VariantResult[];
}

/** Similarities of all clips of a language with all of another. */
export interface SimilarityMatrix {
  readonly from: string;
  readonly to: string;
  readonly variant: Variant;
  /** [clips of from, clips of to], row by row */
  readonly values: Float32Array;
}

export interface StudyOptions {
  readonly variants: readonly Variant[];
  /** Targets of each clip that SeqSim compares frame by frame; undefined: all. */
  readonly shortlist?: number;
  readonly onMatrix?: (matrix: SimilarityMatrix) => void;
  readonly onProgress?: (pairs: number, what: string) => void;
}

/** The clips of each language, of several recordings of a sentence the first. */
export class Languages {
  readonly #clips = new Map<string, HeardClip[]>();

  constructor(heard: readonly HeardClip[]) {
    for (const one of heard) {
      const { language, key } = one.clip;
      const clips = this.#clips.get(language) ?? [];
      this.#clips.set(language, clips);
      // A second recording of a sentence would count as a wrong answer where it is found.
      if (key === '' || !clips.some(({ clip }) => clip.key === key)) clips.push(one);
    }
  }

  get names(): string[] {
    return [...this.#clips.keys()].sort();
  }

  of(language: string): readonly HeardClip[] {
    return this.#clips.get(language) ?? [];
  }

  /** Ordered pairs of languages that share two sentences at least: with one, the right one cannot be missed. */
  pairs(): { from: string; to: string }[] {
    return this.names.flatMap((from) =>
      this.names.filter((to) => to !== from && this.shared(from, to).length > 1).map((to) => ({ from, to })),
    );
  }

  /** Rows of `from` whose sentence is among those of `to`, and where. */
  shared(from: string, to: string): { row: number; column: number; key: string }[] {
    const columns = new Map(this.of(to).map(({ clip }, i) => [clip.key, i]));
    return this.of(from).flatMap(({ clip: { key } }, row) =>
      key !== '' && columns.has(key) ? [{ row, column: columns.get(key)!, key }] : [],
    );
  }
}

/**
 * Retrieval for ordered pairs of languages. Both directions of a pair come from one matrix, but where only a shortlist
 * is compared.
 */
export async function retrievalStudy(
  runtime: Runtime,
  languages: Languages,
  pairs: readonly { readonly from: string; readonly to: string }[],
  options: StudyOptions,
): Promise<PairResult[]> {
  const { variants, shortlist } = options;
  if (
    shortlist !== undefined &&
    variants.some(({ metric, adjustments }) => metric === 'seqsim' && adjustments.has('csls'))
  ) {
    throw new UserError('CSLS needs all similarities; expected --exact, or no CSLS');
  }
  const prepared = new PreparedClips(runtime, languages);
  const results: { pair: { from: string; to: string }; variants: VariantResult[] }[] = pairs.map((pair) => ({
    pair,
    variants: [],
  }));
  let done = 0;
  /** Before CSLS, by what was compared how: what variants and directions share is compared once. */
  const known = new Map<string, Promise<Float32Array>>();
  const similarity = (from: string, to: string, variant: Variant): Promise<Float32Array> => {
    const how = [variant.metric, ...[...variant.adjustments].filter((name) => name !== 'csls')].join('+');
    const shortlisted = variant.metric === 'seqsim' && shortlist !== undefined;
    const [n, m] = [languages.of(from).length, languages.of(to).length];
    const made = known.get(`${how} ${from} ${to}`);
    if (made) return made;
    const other = known.get(`${how} ${to} ${from}`);
    const make = async (): Promise<Float32Array> => {
      if (other && !shortlisted) return transposed(await other, m, n);
      const sources = await prepared.clips(from, variant);
      const targets = await prepared.clips(to, variant);
      const progress = (pairs: number) =>
        options.onProgress?.(done + pairs, `${variant.label}, ${from}–${to}`);
      return shortlisted
        ? shortlistedSeqSim(runtime, sources, targets, {
            shortlist: Math.min(shortlist, m),
            onProgress: (share) => progress(Math.round(share * n * m)),
          })
        : METRICS[variant.metric].matrix(runtime, sources, targets, progress);
    };
    const making = make();
    known.set(`${how} ${from} ${to}`, making);
    return making;
  };
  for (const variant of variants) {
    for (const { pair, variants: rows } of results) {
      const { from, to } = pair;
      const [n, m] = [languages.of(from).length, languages.of(to).length];
      const plain = await similarity(from, to, variant);
      const values = variant.adjustments.has('csls') ? csls(plain, n, m) : plain;
      done += n * m;
      options.onMatrix?.({ from, to, variant, values });
      rows.push(ranked(languages, pair, variant, values, rows[0]));
    }
  }
  return results.map(({ pair, variants }) => {
    const candidates = languages.of(pair.to).length;
    const keys = languages.shared(pair.from, pair.to).map(({ key }) => key);
    return { ...pair, keys, candidates, chance: 1 / candidates, variants };
  });
}

/** Whether SeqSim of all frames of all pairs is a matter of minutes. */
export function areQuickExactly(
  languages: Languages,
  pairs: readonly { readonly from: string; readonly to: string }[],
): boolean {
  const of = (language: string) => languages.of(language).map(({ encoded }) => encoded);
  return pairs.every(({ from, to }) => isQuickExactly(of(from), of(to)));
}

function ranked(
  languages: Languages,
  { from, to }: { from: string; to: string },
  variant: Variant,
  values: Float32Array,
  first: VariantResult | undefined,
): VariantResult {
  const shared = languages.shared(from, to);
  const columns = languages.of(to).length;
  const rows = new Float32Array(shared.length * columns);
  shared.forEach(({ row }, i) => rows.set(values.subarray(row * columns, (row + 1) * columns), i * columns));
  const ranks = answerRanks(
    rows,
    shared.length,
    columns,
    shared.map(({ column }) => column),
  );
  return { variant, ranks, ...estimates(ranks), ...(first && { pValue: difference(first.ranks, ranks) }) };
}

/** R@k and MRR of ranks, each with its interval. */
export function estimates(ranks: readonly number[]): Pick<VariantResult, 'r1' | 'r5' | 'r10' | 'mrr'> {
  const within = (k: number) => estimate(ranks.map((rank) => Number(rank <= k)));
  return { r1: within(1), r5: within(5), r10: within(10), mrr: estimate(ranks.map((rank) => 1 / rank)) };
}

const meanOf = ([sum, count]: readonly number[]): number => sum! / count!;

function estimate(values: readonly number[]): Estimate {
  const { score, low, high } = bootstrap(
    values.map((value) => [value, 1]),
    meanOf,
  );
  return { value: score, low, high };
}

function difference(first: readonly number[], second: readonly number[]): number {
  const hits = (ranks: readonly number[]) => ranks.map((rank) => [Number(rank === 1), 1]);
  return approximateRandomization(hits(first), hits(second), meanOf, { ties: true }).pValue;
}

/** The clips of a language as a variant wants them, made once. */
class PreparedClips {
  readonly #made = new Map<string, Promise<WeightedClip[]>>();

  constructor(
    readonly runtime: Runtime,
    readonly languages: Languages,
  ) {}

  clips(language: string, { adjustments }: Variant): Promise<WeightedClip[]> {
    const steps = ['voiced', 'centre', 'weights'].filter((step) => adjustments.has(step as 'voiced'));
    return this.#after(language, steps);
  }

  #after(language: string, steps: readonly string[]): Promise<WeightedClip[]> {
    const name = [language, ...steps].join('+');
    let made = this.#made.get(name);
    if (!made) {
      made = this.#make(language, steps);
      this.#made.set(name, made);
    }
    return made;
  }

  async #make(language: string, steps: readonly string[]): Promise<WeightedClip[]> {
    const last = steps.at(-1);
    const before = steps.slice(0, -1);
    if (last === undefined) return this.languages.of(language).map(({ encoded }) => encoded);
    if (last === 'centre') return centred(await this.#after(language, before));
    if (last === 'weights') {
      // How rare a frame is, is counted over all languages: what is silence in one is silence in all.
      const all = await Promise.all(this.languages.names.map((name) => this.#after(name, before)));
      const weighted = await rareFramesFirst(this.runtime, all.flat());
      let first = 0;
      for (const [i, name] of this.languages.names.entries()) {
        const own = weighted.slice(first, first + all[i]!.length);
        this.#made.set([name, ...steps].join('+'), Promise.resolve(own));
        first += own.length;
      }
      return this.#after(language, steps);
    }
    const clips = await this.#after(language, before);
    const voiced: WeightedClip[] = [];
    for (const [i, { clip }] of this.languages.of(language).entries()) {
      voiced.push(withFrames(clips[i]!, await speechFlags(await readAudio(clip.audio), SAMPLES_PER_FRAME)));
    }
    return voiced;
  }
}
