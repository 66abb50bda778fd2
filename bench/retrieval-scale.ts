/**
 * Retrieval among so many clips that they do not fit into memory: `--clips` Catalan ones search as many English ones
 * (10,000 take 5 GB of disk and most of an hour). Each is made of the halves of two real sentences of samples/, as the
 * encoder encodes them, so that every target has hundreds of near misses that share a half with it. Some of the sources are
 * also compared with all targets frame by frame: how much of the exact R@1 do the steps keep, and how much quicker are they?
 */
import { mkdirSync, rmSync } from 'node:fs';
import { readAudio } from '../src/audio/audio-file.ts';
import { Runtime } from '../src/backend/runtime.ts';
import type { Clip } from '../src/data/clip.ts';
import { encodedClip, encodedRecord } from '../src/features/encoded-record.ts';
import { Shards } from '../src/features/shards.ts';
import { fingerprint } from '../src/files/fingerprint.ts';
import { startProgress } from '../src/report/progress.ts';
import { retrievalMethods } from '../src/retrieval/methods.ts';
import { ParallelClips } from '../src/retrieval/parallel-clips.ts';
import { answerRanks } from '../src/retrieval/recall.ts';
import { seqSimMatrix } from '../src/retrieval/seq-sim.ts';
import { DEFAULT_SHORTLIST } from '../src/retrieval/shortlist.ts';
import { retrievalStudy } from '../src/retrieval/study.ts';
import { type EncodedClip, frameValues } from '../src/whisper/encoded-clip.ts';
import { WhisperModel } from '../src/whisper/model.ts';
import type { BenchOptions } from './options.ts';
import { bestProductRate, gigaflops } from './product-rate.ts';
import { type BenchResult, inRepository } from './result.ts';
import { sentences } from './speech.ts';
import { percent, seconds } from './statistics.ts';

/** Pairs that are also compared frame by frame: some sources with all targets. */
const EXACT_PAIRS = 1e6;
const MIN_KEPT = 0.99;
const MIN_SPEEDUP = 20;
const MAX_BYTES = 2e9;

export async function retrievalScale({
  model: directory,
  clips: count,
  sources: searching = count,
}: BenchOptions): Promise<BenchResult> {
  const folder = inRepository('out/bench/retrieval-scale');
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  const runtime = new Runtime();
  try {
    const clips = await writeClips(directory, folder, count);
    // Evenly over all.
    const searches = (i: number) =>
      Math.floor((i * searching) / count) < Math.floor(((i + 1) * searching) / count);
    const languages = new ParallelClips(clips.filter(({ clip }, i) => clip.language === 'en' || searches(i)));
    const progress = startProgress('comparing pairs', searching * count);
    const started = performance.now();
    const [result] = await retrievalStudy(runtime, languages, [{ from: 'ca', to: 'en' }], {
      variants: retrievalMethods('seqsim'),
      shortlist: DEFAULT_SHORTLIST,
      onProgress: (pairs) => progress.update(pairs),
    });
    progress.done();
    const took = (performance.now() - started) / 1000;
    // Of the whole process so far, the writing of clips included.
    const peak = process.resourceUsage().maxRSS * 1024;

    const [sources, targets] = ['ca', 'en'].map((language) =>
      languages.of(language).map(({ encoded }) => encoded),
    );
    const compared = Math.min(searching, Math.ceil(EXACT_PAIRS / count));
    const rows = Array.from({ length: compared }, (_, i) => Math.floor((i * searching) / compared));
    const some = rows.map((row) => sources![row]!);
    const product = await bestProductRate(runtime);
    const exactStarted = performance.now();
    const exact = await seqSimMatrix(runtime, some, targets!);
    const exactTook = (performance.now() - exactStarted) / 1000;
    const frames = (clips: readonly { readonly length: number }[]) =>
      clips.reduce((sum, { length }) => sum + length, 0);
    const flops = 2 * targets![0]!.width * frames(some) * frames(targets!);
    const allExact = (exactTook * frames(sources!)) / frames(some);

    const first = (ranks: readonly number[]) => ranks.filter((rank) => rank === 1).length / ranks.length;
    const ranks = result!.variants[0]!.ranks;
    const answers = languages.shared('ca', 'en').map(({ column }) => column);
    const exactR1 = first(
      answerRanks(
        exact,
        rows.length,
        count,
        rows.map((row) => answers[row]!),
      ),
    );
    const keptR1 = first(rows.map((row) => ranks[row]!));
    const kept = exactR1 > 0 ? keptR1 / exactR1 : Number.NaN;
    const speedup = allExact / took;
    return {
      title: `Retrieval of ${searching} clips among ${count}, which lie on disk`,
      rows: [
        { measure: `shortlist of ${DEFAULT_SHORTLIST}`, ours: seconds(took) },
        { measure: 'all frame by frame, at the rate of some', ours: seconds(allExact) },
        { measure: `  ${rows.length} sources, measured`, ours: seconds(exactTook) },
        { measure: '  rate', ours: gigaflops(flops / exactTook), peer: gigaflops(product) },
        { measure: `R@1 of all sources (chance ${(100 / count).toFixed(2)} %)`, ours: percent(first(ranks)) },
        { measure: `R@1 of ${rows.length} sources`, ours: percent(keptR1) },
        { measure: '  exact', ours: percent(exactR1) },
        { measure: 'largest memory of the process', ours: `${(peak / 1e9).toFixed(2)} GB` },
      ],
      goals: [
        {
          goal: `the shortlist keeps ${percent(MIN_KEPT)} of the exact R@1`,
          found: percent(kept),
          reached: kept >= MIN_KEPT,
        },
        {
          goal: `${MIN_SPEEDUP} times as fast as all frame by frame`,
          found: speedup.toFixed(1),
          reached: speedup >= MIN_SPEEDUP,
        },
        {
          goal: `less than ${MAX_BYTES / 1e9} GB`,
          found: `${(peak / 1e9).toFixed(2)} GB`,
          reached: peak < MAX_BYTES,
        },
      ],
      notes: ['peer: the fastest bare matrix product by the same runtime'],
      raw: { took, exactTook, allExact, flops, product, peak, exactR1, keptR1, ranks },
    };
  } finally {
    await runtime.close();
    rmSync(folder, { recursive: true, force: true });
  }
}

/** The two halves of a composed clip: [sentence, 0 or 1 for its first or second half], twice. */
type Composition = readonly [readonly [string, number], readonly [string, number]];

/** `count` clips of each language, written to `folder`. */
async function writeClips(directory: string, folder: string, count: number) {
  const model = await WhisperModel.load(directory);
  const catalan = await encoded(model, await sentences('ca'));
  const english = await encoded(model, await sentences('en'));
  await model.close();
  const keys = [...catalan.keys()].filter((key) => english.has(key));
  const compositions: Composition[] = keys.flatMap((a) =>
    keys
      .filter((b) => b !== a)
      .flatMap((b): Composition[] => [
        [
          [a, 0],
          [b, 1],
        ],
        [
          [a, 1],
          [b, 0],
        ],
      ]),
  );
  if (compositions.length < count) {
    throw new RangeError(`${keys.length} sentences make ${compositions.length} clips; expected ${count}`);
  }
  // Evenly over all, so that no sentence has more than others.
  const chosen = Array.from(
    { length: count },
    (_, i) => compositions[Math.floor((i * compositions.length) / count)]!,
  );
  const shards = await Shards.open(folder);
  const progress = startProgress('writing clips', 2 * count);
  const clips = [];
  for (const [language, halves] of [
    ['ca', catalan],
    ['en', english],
  ] as const) {
    for (const [i, composition] of chosen.entries()) {
      const key = composition.map(([sentence, half]) => `${sentence}:${half}`).join(' ');
      const entry = fingerprint(`${language} ${i}`, 32);
      const whole = composed(composition, halves);
      const { length, width, window } = whole;
      await shards.add([{ key: entry, ...encodedRecord(whole, 'float16') }]);
      const clip = { audio: `${language}-${i}`, language, set: 'composed', key } as Clip;
      clips.push({
        clip,
        encoded: { length, width, window, read: async () => encodedClip((await shards.read(entry))!)! },
      });
      progress.update(clips.length);
    }
  }
  progress.done();
  return clips;
}

async function encoded(model: WhisperModel, clips: readonly Clip[]): Promise<Map<string, EncodedClip>> {
  const frames = new Map<string, EncodedClip>();
  for (const { key, audio } of clips) {
    const [one] = await model.encode([await readAudio(audio)], 'fit');
    frames.set(key, one!);
  }
  return frames;
}

function composed(composition: Composition, clips: ReadonlyMap<string, EncodedClip>): EncodedClip {
  const parts = composition.map(([key, half]) => {
    const clip = clips.get(key)!;
    const middle = Math.floor(clip.length / 2);
    const [from, to] = half === 0 ? [0, middle] : [middle, clip.length];
    return frameValues(clip).subarray(from * clip.width, to * clip.width);
  });
  const { width } = clips.get(composition[0][0])!;
  const frames = new Float32Array(parts.reduce((sum, { length }) => sum + length, 0));
  frames.set(parts[0]!);
  frames.set(parts[1]!, parts[0]!.length);
  const length = frames.length / width;
  return { frames, length, width, window: length };
}
