/** Rows of the tables from sentence counts: scores with intervals, and tests against the first model. */
import { takeTurn } from '../abort.ts';
import type { CorpusMetric, Statistics } from '../metrics/corpus.ts';
import { type Measured, type MeasureOptions, measure } from '../metrics/measure.ts';
import { SACREBLEU_METRICS } from '../metrics/metrics.ts';
import { joinedTables, type SentenceTable, sentenceTable } from '../metrics/sentence-table.ts';
import { stageProgress, type WorkOptions } from '../report/progress.ts';
import { AVERAGE, type EvaluationRow } from './results.ts';

type ScoringOptions = MeasureOptions & Pick<WorkOptions, 'onProgress' | 'signal'>;

/** Counts of one metric for the sentences of one language. */
export interface SentenceCounts {
  readonly metric: Pick<CorpusMetric, 'score'>;
  readonly signature: string;
  readonly statistics: SentenceTable;
}

/** One model with one prompt in one test. */
export interface System {
  readonly model: string;
  readonly prompt: string;
  /** Clips by language, in order: paired tests need the same list in both systems. */
  readonly clips: ReadonlyMap<string, readonly string[]>;
  /** Counts by language and metric. */
  readonly counts: ReadonlyMap<string, ReadonlyMap<string, SentenceCounts>>;
  /** Why a language has no score. */
  readonly notDefined: ReadonlyMap<string, string>;
}

/**
 * Rows by language and system, the averages at the end; the first model is the baseline. Of hundreds of thousands of
 * sentences it takes minutes, and can be aborted between two metrics.
 */
export async function scoredRows(
  { test, forgetting }: Pick<EvaluationRow, 'test' | 'forgetting'>,
  systems: readonly System[],
  options: ScoringOptions,
): Promise<EvaluationRow[]> {
  const languages = [
    ...new Set(systems.flatMap(({ clips, notDefined }) => [...clips.keys(), ...notDefined.keys()])),
  ].sort();
  const total = systems.length * (languages.length + Number(languages.length > 1));
  const progress = stageProgress(options, `scoring ${test}`, total);
  const common = { test, forgetting };
  const rows: EvaluationRow[] = [];
  for (const language of languages) {
    for (const system of systems) {
      const { model, prompt } = system;
      const reason = system.notDefined.get(language);
      const clips = system.clips.get(language) ?? [];
      const row = { ...common, model, prompt, language, n: clips.length };
      if (reason !== undefined || clips.length === 0) {
        rows.push({ ...row, n: 0, notDefined: reason ?? 'no clip could be read', scores: {} });
      } else {
        const baseline = baselineOf(systems, system, [language]);
        rows.push({ ...row, scores: await measured(system, [language], baseline, options) });
      }
      progress(rows.length);
    }
  }
  if (languages.length < 2) return rows;
  for (const [i, system] of systems.entries()) {
    const own = [...system.clips].filter(([, clips]) => clips.length > 0).map(([language]) => language);
    if (own.length > 0) {
      const { model, prompt } = system;
      const n = own.reduce((sum, language) => sum + system.clips.get(language)!.length, 0);
      const scores = await measured(system, own, baselineOf(systems, system, own), options);
      rows.push({ ...common, model, prompt, language: AVERAGE, languages: own.length, n, scores });
    }
    progress(systems.length * languages.length + i + 1);
  }
  return rows;
}

/** The first model with the same prompt, or else with its first prompt; only on the very same clips. */
function baselineOf(
  systems: readonly System[],
  system: System,
  languages: readonly string[],
): System | undefined {
  const first = systems[0]!.model;
  if (system.model === first) return undefined;
  const baseline =
    systems.find(({ model, prompt }) => model === first && prompt === system.prompt) ?? systems[0]!;
  const areSame = languages.every((language) => {
    const [own, theirs = []] = [system.clips.get(language)!, baseline.clips.get(language)];
    return own.length === theirs.length && own.every((clip, i) => clip === theirs[i]);
  });
  return areSame ? baseline : undefined;
}

async function measured(
  system: System,
  languages: readonly string[],
  baseline: System | undefined,
  { signal, onProgress: _, ...options }: ScoringOptions,
): Promise<Record<string, Measured>> {
  const counted = (of: System, name: string): SentenceCounts[] | undefined => {
    const found = languages.flatMap((language) => of.counts.get(language)?.get(name) ?? []);
    return found.length === languages.length ? found : undefined;
  };
  const names = [...(system.counts.get(languages[0]!)?.keys() ?? [])];
  const scores: Record<string, Measured> = {};
  for (const name of names) {
    await takeTurn(signal);
    const own = counted(system, name);
    if (!own) continue; // not in all of the languages
    const theirs = baseline && counted(baseline, name);
    const { metric, signature, statistics } = average(own);
    const corpusMetric: CorpusMetric = { ...metric, statistics: () => [], signature: () => signature };
    const { score, interval, comparison } = measure(
      corpusMetric,
      statistics,
      theirs && average(theirs).statistics,
      1,
      { ...options, ties: !SACREBLEU_METRICS.includes(name) },
    );
    scores[name] = { score, interval, signature, ...(comparison && { comparison }) };
  }
  return scores;
}

/**
 * The mean of the languages' scores as a metric of its own. Resampling sentences resamples all languages; one that no
 * sentence of a sample is in does not count there.
 */
function average(languages: readonly SentenceCounts[]): SentenceCounts {
  if (languages.length === 1) return languages[0]!;
  const { metric } = languages[0]!;
  const statistics = joinedTables(languages.map(({ statistics }) => statistics));
  const width = statistics.parts[0]!.columns.length;
  const score = (total: Statistics): { score: number } => {
    let sum = 0;
    let present = 0;
    for (let start = 0; start < total.length; start += width) {
      if (total[start] === 0) continue;
      sum += metric.score(total.slice(start + 1, start + width)).score;
      present++;
    }
    return { score: sum / Math.max(1, present) };
  };
  const signatures = [...new Set(languages.map(({ signature }) => signature))];
  return {
    metric: { score },
    statistics,
    signature: `mean over ${languages.length} languages: ${signatures.join('; ')}`,
  };
}

/** A share of hits as a metric, in percent. */
export function hitRate(hits: readonly boolean[], signature: string): SentenceCounts {
  return {
    metric: { score: ([hit = 0, all = 0]) => ({ score: (100 * hit) / Math.max(1, all) }) },
    signature,
    statistics: sentenceTable(
      hits.map((hit) => [hit ? 1 : 0, 1]),
      hits.length,
    ),
  };
}
