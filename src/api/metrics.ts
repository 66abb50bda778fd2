/**
 * Scores of translations and transcripts, with the values of sacreBLEU and jiwer, and whether they differ by chance.
 * @packageDocumentation
 */
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
export { hallucinationMarkers } from '../metrics/hallucination.ts';
export { isTargetLanguage, offTargetRate } from '../metrics/off-target.ts';
export {
  approximateRandomization,
  bootstrap,
  type Interval,
  pairedBootstrap,
} from '../metrics/significance.ts';
export { corpusTer, type TerScore } from '../metrics/ter.ts';
export { type BleuTokenizer, loadBleuTokenizer } from '../metrics/tokenizers.ts';
export { type TranslationScores, translationScores } from '../metrics/translation-scores.ts';
export {
  characterErrorRate,
  type ErrorRate,
  mixedErrorRate,
  wordErrorRate,
} from '../metrics/word-error-rate.ts';
