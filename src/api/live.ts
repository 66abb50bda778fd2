/**
 * Live decoding: the text of speech while it is spoken. Samples are pushed into a session as they come, and its events tell
 * what is committed, which never changes, and what is tentative.
 * @module live
 */
export { samplesAsTheyCome } from '../audio/pcm-stream.ts';
export type { AlignAttSettings } from '../live/alignatt.ts';
export { LIVE_POLICIES, type LiveEvent, type LivePolicy, type LiveText } from '../live/events.ts';
export { heardBy, type LiveClock, skippingClock, wallClock } from '../live/feed.ts';
export { LatencyLog } from '../live/latency-log.ts';
export { type LiveOptions, LiveSession } from '../live/session.ts';
export type { UtteranceLimits } from '../live/utterances.ts';
