/**
 * Language models: n-grams with modified Kneser–Ney smoothing, in ARPA files, and causal models in ONNX files.
 * @module language-model
 */
export { readArpa } from '../language-model/arpa-read.ts';
export { writeArpa } from '../language-model/arpa-write.ts';
export { CausalLanguageModel } from '../language-model/causal.ts';
export { type Int32List, NgramCounter, type OrderCounts } from '../language-model/count.ts';
export { type Discounts, type SmoothedOrder, smooth } from '../language-model/kneser-ney.ts';
export { LanguageModel, type LanguageModelState } from '../language-model/model.ts';
export { type Perplexity, perplexity } from '../language-model/perplexity.ts';
export {
  type AnyLanguageModel,
  type SentenceScore,
  type SentenceScorer,
  sentenceScorer,
} from '../language-model/scorer.ts';
export { languageModelWords } from '../language-model/words.ts';
