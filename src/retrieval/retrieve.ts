/** Speech-to-speech retrieval over a manifest: does an utterance find its translation by encoder output alone? */
import { join } from 'node:path';
import { abortable } from '../abort.ts';
import { Runtime } from '../backend/runtime.ts';
import { embeddedModel } from '../checkpoint/embedded.ts';
import type { Clip } from '../data/clip.ts';
import { readManifest } from '../data/manifest.ts';
import { repeatedClips } from '../data/repeated-clips.ts';
import { UserError } from '../errors.ts';
import { clipsOf, sourceName, storedClips } from '../features/encoded-clips.ts';
import { type CacheOptions, EncoderOutputs, encodingName } from '../features/encoder-outputs.ts';
import { Fingerprint, fingerprint } from '../files/fingerprint.ts';
import { languageProfile } from '../language/profile.ts';
import { formatNumber } from '../report/format.ts';
import type { WorkOptions } from '../report/progress.ts';
import type { WindowMode } from '../whisper/encoded-clip.ts';
import { WhisperModel } from '../whisper/model.ts';
import { withModel } from '../whisper/with-model.ts';
import type { ComparedClip } from './clip-blocks.ts';
import { type RetrievalMethod, retrievalMethods } from './methods.ts';
import { ParallelClips } from './parallel-clips.ts';
import { StoredRanks } from './parts.ts';
import { DEFAULT_SHORTLIST, searchThreads } from './shortlist.ts';
import {
  areQuickExactly,
  type LanguagePair,
  MIN_QUERIES,
  type PairResult,
  retrievalStudy,
  type SimilarityMatrix,
} from './study.ts';

export interface RetrieveOptions extends WorkOptions, CacheOptions {
  /** Path of a manifest, or clips of one; clips with the same `key` are the same sentence. */
  readonly clips: string | readonly Clip[];
  /** Only clips of this set of the manifest. */
  readonly set?: string | undefined;
  /** Language of the queries, and of the candidates. Default: all pairs of languages. */
  readonly from?: string | undefined;
  readonly to?: string | undefined;
  /** Directory of the model whose encoder is used. Default: the embedded Whisper base. */
  readonly model?: string | undefined;
  /** Such as "seqsim+centre+csls,dtw"; the others are compared with the first. Default: "seqsim,mean-pool". */
  readonly methods?: string | readonly RetrievalMethod[] | undefined;
  /** Compare all clips frame by frame, however long it takes. Default: where they are few. */
  readonly exact?: boolean | undefined;
  /** SeqSim only of this many most promising targets of each clip. Default: 64 where clips are many. */
  readonly shortlist?: number | undefined;
  /** Encoder window. Default: 'fit'. */
  readonly window?: WindowMode | undefined;
  /** Called with the similarities of each pair of languages that is compared in one piece. */
  readonly onMatrix?: ((matrix: SimilarityMatrix) => void) | undefined;
}

export interface Retrieval {
  readonly pairs: readonly PairResult[];
  /** The clips that were compared. */
  readonly clips: ParallelClips<ComparedClip>;
  /** Whether all clips were compared frame by frame; else how many targets of each. */
  readonly exact: boolean;
  readonly shortlist: number | undefined;
  /** Time of all methods; of everything, loading the model and encoding included. */
  readonly compareSeconds: number;
  readonly seconds: number;
}

/**
 * R@k and mean reciprocal rank of each pair of languages and method.
 * @throws UserError where no sentence is spoken in both languages
 */
export function retrieve(options: RetrieveOptions): Promise<Retrieval> {
  return abortable(options.signal, () => run(options));
}

async function run(options: RetrieveOptions): Promise<Retrieval> {
  const { window = 'fit', cache, cacheDtype, cacheLimit } = options;
  const { signal, onProgress, onSkip, onNote } = options;
  const work: WorkOptions = { onProgress, onSkip, onNote, signal };
  const given = options.methods ?? 'seqsim,mean-pool';
  const methods = typeof given === 'string' ? retrievalMethods(given) : given;
  const { clips: wanted, from, to } = await wantedClips(options);
  const started = performance.now();
  // The model is closed before the comparison: the clips need its memory.
  const { outputs, encoded, encoding } = await withModel(
    WhisperModel.load(options.model ?? embeddedModel),
    async (model) => {
      const outputs = await EncoderOutputs.open(model, { window, cache, cacheDtype, cacheLimit, onNote });
      const encoded = await storedClips(outputs, wanted, work);
      return { outputs, encoded, encoding: `${await encodingName(model, window)} ${outputs.dtype}` };
    },
  );
  signal?.throwIfAborted();
  const clips = new ParallelClips(encoded);
  const pairs = from !== undefined && to !== undefined ? [{ from, to }] : clips.pairs();
  const few = fewQueries(clips, pairs);
  if (few !== undefined) onNote?.(few);
  if (!pairs.some((pair) => clips.shared(pair.from, pair.to).length > 0)) throw nothingShared(options);
  const exact = options.exact || (!options.shortlist && areQuickExactly(clips, pairs));
  const shortlist = exact ? undefined : (options.shortlist ?? DEFAULT_SHORTLIST);
  const runtime = await Runtime.open(exact ? {} : { threads: searchThreads() });
  // Closing the runtime also ends a comparison in progress.
  const close = () => void runtime.close();
  signal?.addEventListener('abort', close, { once: true });
  try {
    const total =
      methods.length *
      pairs.reduce((sum, pair) => sum + clips.of(pair.from).length * clips.of(pair.to).length, 0);
    const compareStarted = performance.now();
    let resumed = 0;
    const progress = (done: number, note?: string) =>
      onProgress?.({ stage: 'comparing pairs', done, total, note, resumed });
    progress(0);
    const results = await retrievalStudy(runtime, clips, pairs, {
      variants: methods,
      shortlist,
      onMatrix: options.onMatrix,
      kept:
        cache === undefined || outputs.refusal !== undefined
          ? undefined
          : storedRanks(encoding, outputs, clips, cache),
      onProgress: progress,
      onKnown: (known) => {
        if (known === 0) return;
        resumed += known;
        onNote?.(`an earlier run compared ${formatNumber(known)} pairs; resuming`);
      },
    });
    progress(total);
    const seconds = (since: number) => (performance.now() - since) / 1000;
    return {
      pairs: results,
      clips,
      exact,
      shortlist,
      compareSeconds: seconds(compareStarted),
      seconds: seconds(started),
    };
  } finally {
    signal?.removeEventListener('abort', close);
    await runtime.close();
  }
}

/** Queries from which on a figure is worth reading: its 95 % interval is ±10 points at the most. */
const READABLE_QUERIES = 100;

function fewQueries(clips: ParallelClips<ComparedClip>, pairs: readonly LanguagePair[]): string | undefined {
  const counts = pairs.map(({ from, to }) => ({ from, to, count: clips.shared(from, to).length }));
  const few = counts.filter(({ count }) => count > 0 && count < READABLE_QUERIES);
  const [least] = few.sort((a, b) => a.count - b.count);
  if (least === undefined) return undefined;
  const sentences = least.count === 1 ? '1 sentence' : `${least.count} sentences`;
  const others = few.length > 1 ? ` (the fewest of ${few.length} such pairs)` : '';
  return (
    `${least.from} → ${least.to}: ${sentences} in both languages${others}; a figure is worth reading from about ` +
    `${READABLE_QUERIES} on, and below ${MIN_QUERIES} no interval and no p are given`
  );
}

interface WantedClips {
  readonly clips: Clip[];
  /** As the manifest names them; undefined: all pairs. */
  readonly from?: string;
  readonly to?: string;
}

async function wantedClips(options: RetrieveOptions): Promise<WantedClips> {
  const { clips: source, set } = options;
  if ((options.from === undefined) !== (options.to === undefined)) {
    throw new UserError(
      `found one language of a pair (${options.from ?? options.to}); expected both, or none for all pairs`,
    );
  }
  const all = typeof source === 'string' ? await readManifest(source) : source;
  for (const note of repeatedClips(sourceName(source), set ? all.filter((clip) => clip.set === set) : all)) {
    options.onNote?.(note);
  }
  if (options.from === undefined || options.to === undefined) {
    return { clips: clipsOf(all, sourceName(source), { set }).filter(({ key }) => key !== '') };
  }
  const labels = new Set(all.map(({ language }) => language));
  const labelled = (given: string): string => {
    const { code } = languageProfile(given);
    return labels.has(given) || !labels.has(code) ? given : code;
  };
  const from = labelled(options.from);
  const to = labelled(options.to);
  if (from === to) {
    throw new UserError(
      `--from ${options.from} --to ${options.to}: found the same language twice; expected two, as every clip finds itself`,
    );
  }
  const clips = [...new Set([to, from])].flatMap((language) =>
    clipsOf(all, sourceName(source), { set, language }),
  );
  const keys = new Set(clips.filter(({ language }) => language === to).map(({ key }) => key));
  const shared = clips.some(({ language, key }) => language === from && key !== '' && keys.has(key));
  if (!shared) throw nothingShared(options);
  return { clips, from, to };
}

function nothingShared({ clips, set, from, to }: RetrieveOptions): UserError {
  const what = set ? ` of set "${set}"` : '';
  return new UserError(
    from === undefined
      ? `${sourceName(clips)}: no two languages${what} share two sentences; expected the same key on recordings of the same sentence`
      : `${sourceName(clips)}: no "${from}" clip${what} that could be used has the key of a "${to}" clip; ` +
          'expected the same key on recordings of the same sentence',
  );
}

/** Ranks that earlier runs stored of a comparison of the same recordings by the same encoder. */
function storedRanks(
  encoding: string,
  outputs: EncoderOutputs,
  clips: ParallelClips<ComparedClip>,
  cache: string,
): (comparison: string) => Promise<StoredRanks> {
  const recordings = async (): Promise<string> => {
    const hash = new Fingerprint().add(`${encoding}\n`);
    for (const language of clips.names) {
      for (const { clip } of clips.of(language)) {
        hash.add(`${language}\t${clip.key}\t${await outputs.keyOf({ files: [clip.audio] })}\n`);
      }
    }
    return hash.hex();
  };
  // Once for all comparisons, and only for one part by part: it reads the state of every file.
  let known: Promise<string> | undefined;
  return async (comparison) => {
    known ??= recordings();
    const name = fingerprint(`${await known}\n${comparison}`, 32);
    return StoredRanks.open(join(cache, 'retrieval', `${name}.jsonl`));
  };
}
