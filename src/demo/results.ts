import type { Machine } from '../report/machine.ts';
import type { SimilarityExcerpt } from '../retrieval/page.ts';

/**
 * Results of one run of the demo: the schema of `out/demo/results.json`, and all that the report page shows.
 * A number that could not be measured is NaN (`null` once written as JSON) and is shown as "–".
 */
export interface DemoResults {
  /** Version of this package. */
  version: string;
  machine: Machine;
  /** Name of the model that was fine-tuned, such as `openai/whisper-base`. */
  model: string;
  settings: DemoSettings;
  /** Seconds of wall-clock time of each stage, in the order they ran. */
  seconds: Record<string, number>;
  /** Largest resident set size of the process, megabytes (10⁶ bytes). */
  peakMemoryMb: number;
  retrieval: RetrievalResult[];
  /** SeqSim of a few dozen utterances. */
  similarity: SimilarityExcerpt[];
  transfer: TransferResult[];
  examples: TranslationExample[];
  loss: LossPoint[];
  /** sacreBLEU-style signatures of the two metrics. */
  signatures: { bleu: string; chrf: string };
}

/** Settings that reproduce the training. Further ones may be added; the page lists them all. */
export interface DemoSettings {
  steps: number;
  batch: number;
  learningRate: number;
  seed: number;
  /** Training clips, all of them English speech. */
  trainClips: number;
  /** Target language of the training. */
  target: string;
  /** Decoder prompt, such as `<|zh|><|transcribe|>`. */
  prompt: string;
  [setting: string]: string | number | boolean;
}

/** Speech-to-speech retrieval of `n` utterances among `n`; all rates are fractions from 0 to 1. */
export interface RetrievalResult {
  from: string;
  to: string;
  n: number;
  r1: number;
  r5: number;
  /** R@1 of a blind guess. */
  chance: number;
  /** R@1 of the baseline, cosine of mean-pooled frames. */
  meanPoolR1: number;
}

export interface DemoScores {
  /** 0 to 100. */
  bleu: number;
  /** 0 to 100. */
  chrf: number;
  /** Share of outputs that are not in the target language, 0 to 1. */
  offTarget: number;
}

/** The three questions that must not be mixed, from the least to the most demanding. */
export const transferGroups = [
  'held-out English',
  'new language, known sentence',
  'new language, new sentence',
] as const;

export type TransferGroup = (typeof transferGroups)[number];

export interface TransferResult {
  group: TransferGroup;
  /** Language code of the speech. */
  language: string;
  /** Its English name. */
  name: string;
  voice: 'real' | 'synthetic';
  /** Test clips. */
  n: number;
  before: DemoScores;
  after: DemoScores;
  /** 95 % interval of chrF after minus chrF before, by paired bootstrap over the clips. */
  chrfGain?: { low: number; high: number };
}

export interface TranslationExample {
  group: string;
  language: string;
  voice: string;
  /** The recording as a `data:audio/…;base64,…` URI. */
  audio: string;
  /** The spoken sentence in English. */
  english: string;
  /** The spoken sentence in its own language. */
  source: string;
  reference: string;
  before: string;
  after: string;
}

export interface LossPoint {
  step: number;
  /** Mean cross-entropy of a target token, nats. */
  loss: number;
  learningRate: number;
  tokensPerSecond: number;
}
