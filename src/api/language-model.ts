/**
 * N-gram language models with modified Kneser–Ney smoothing, in ARPA files.
 * @packageDocumentation
 */
export { readArpa } from '../language-model/arpa-read.ts';
export { writeArpa } from '../language-model/arpa-write.ts';
export { NgramCounter } from '../language-model/count.ts';
export { smooth } from '../language-model/kneser-ney.ts';
export { LanguageModel, type LanguageModelState } from '../language-model/model.ts';
export { type Perplexity, perplexity } from '../language-model/perplexity.ts';
export { languageModelWords } from '../language-model/words.ts';
