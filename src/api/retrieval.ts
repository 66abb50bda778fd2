/**
 * Comparing utterances by their encoder outputs: SeqSim and its baselines, CSLS, recall.
 * @module retrieval
 */
export type { OnDamage } from '../data/recording.ts';
export { type EncodeFilesOptions, encodeFiles } from '../features/encoded-clips.ts';
export type { ComparedClip, WeightedClip } from '../retrieval/clip-blocks.ts';
export { csls } from '../retrieval/csls.ts';
export { dtwMatrix } from '../retrieval/dtw.ts';
export { meanPoolMatrix } from '../retrieval/mean-pool.ts';
export { transportMatrix } from '../retrieval/optimal-transport.ts';
export { centred, weightedByRarity } from '../retrieval/prepare-clips.ts';
export { type Recall, recall } from '../retrieval/recall.ts';
export { seqSimMatrix } from '../retrieval/seq-sim.ts';
