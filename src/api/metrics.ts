/**
 * Scores of translations and transcripts, with the values of sacreBLEU and jiwer, and whether they differ by chance.
 * @module metrics
 */
export { isLikelyIn, loadIdentifier } from '../language/identify.ts';
export { type LanguageProfile, languageProfile } from '../language/profile.ts';
export {
  type BleuOptions,
  type BleuScore,
  bleuSignature,
  corpusBleu,
  sentenceBleu,
} from '../metrics/bleu.ts';
export {
  type ChrfOptions,
  type ChrfScore,
  chrfSignature,
  corpusChrf,
  sentenceChrf,
} from '../metrics/chrf.ts';
export type { Statistics } from '../metrics/corpus.ts';
export { type HallucinationMarkers, hallucinationMarkers } from '../metrics/hallucination.ts';
export {
  LATENCY_MEASURES,
  type Latency,
  type LatencyLine,
  type LatencyMeasure,
  type LatencyOptions,
  latency,
  latencyUnits,
  parseLatencyLog,
} from '../metrics/latency.ts';
export { isTargetLanguage, offTargetRate } from '../metrics/off-target.ts';
export type {
  CountColumn,
  SentencePart,
  SentenceStatistics,
  SentenceTable,
} from '../metrics/sentence-table.ts';
export {
  approximateRandomization,
  bootstrap,
  DEFAULT_SAMPLES,
  type Interval,
  PAIRED_TESTS,
  type PairedResult,
  type PairedTest,
  pairedBootstrap,
  type ResamplingOptions,
  type ScoreOf,
} from '../metrics/significance.ts';
export { corpusTer, type TerScore } from '../metrics/ter.ts';
export type { TerTokenizerOptions } from '../metrics/ter-tokenizer.ts';
export { BLEU_TOKENIZERS, type BleuTokenizer, loadBleuTokenizer } from '../metrics/tokenizers.ts';
export { type TranslationScores, translationScores } from '../metrics/translation-scores.ts';
export {
  characterErrorRate,
  type ErrorRate,
  mixedErrorRate,
  splitMixedTokens,
  wordErrorRate,
} from '../metrics/word-error-rate.ts';
