/** What `npm run bench` was given. */
export interface BenchOptions {
  /** Hugging Face folder, of either form of weights. */
  readonly model: string;
  /** The same model in float16. */
  readonly float16: string;
  /** The same model as CTranslate2 has it. */
  readonly ctranslate2: string;
  /** Recordings beside those in samples/. */
  readonly recordings: string;
  /** Sources, and targets, of `retrieval`. */
  readonly clips: number;
  /** How many of them search in `retrieval-scale`. Default: all */
  readonly sources?: number;
}
