/**
 * The encoder with its attention in one operator, as texts are written, against the operators that are trained: time by
 * window and clips in turns, and the texts of all samples by both.
 */
import { readAudio } from '../src/audio/audio-file.ts';
import { logMel } from '../src/audio/log-mel.ts';
import { float32, int64, type Program } from '../src/backend/runtime.ts';
import { readManifest } from '../src/data/manifest.ts';
import { decode } from '../src/decoding/decode.ts';
import { placesBy } from '../src/lists.ts';
import { SAMPLES_PER_FRAME, type WindowMode, windowFrames } from '../src/whisper/encoded-clip.ts';
import { encoderGraph } from '../src/whisper/encoder.ts';
import { silenceFeeds } from '../src/whisper/mel-batch.ts';
import { WhisperModel } from '../src/whisper/model.ts';
import type { BenchOptions } from './options.ts';
import { type BenchResult, inRepository } from './result.ts';
import { median, pairwise, showRatios } from './statistics.ts';

const FORMS = ['composed', 'fused'] as const;
/** Seconds of the clips, and their number: as many as share a run, and one. */
const SHAPES = [
  ['fit', 2, 1],
  ['fit', 2, 8],
  ['fit', 4, 1],
  ['fit', 4, 6],
  ['fit', 7, 1],
  ['fit', 7, 3],
  ['full', 30, 1],
  ['full', 30, 8],
] as const satisfies readonly (readonly [WindowMode, number, number])[];
const ROUNDS = 9;
const LARGEST_RATIO = 0.97;
const CLIPS_PER_ROUND = 16;
const MAX_TOKENS = 110;

/** By window and form: an encoder for full windows does not see silence beside the clip. */
type Programs = Readonly<Record<WindowMode, Readonly<Record<(typeof FORMS)[number], Program>>>>;

async function loaded({ runtime, dimensions }: WhisperModel): Promise<Programs> {
  const load = (window: WindowMode, attention: (typeof FORMS)[number]) =>
    runtime.load(
      encoderGraph(dimensions, window === 'fit', {
        attention: attention === 'fused' ? { bias: 'keys' } : attention,
      }),
      { builtIn: () => true },
    );
  const both = async (window: WindowMode) => ({
    composed: await load(window, 'composed'),
    fused: await load(window, 'fused'),
  });
  return { fit: await both('fit'), full: await both('full') };
}

/** Frames of clips of one window, [clips, frames, width], and the milliseconds that they took. */
async function encoded(
  model: WhisperModel,
  program: Program,
  clips: readonly Float32Array[],
  window: WindowMode,
) {
  const { melBins } = model.dimensions;
  const frames = windowFrames(clips[0]!.length, window);
  const mel = new Float32Array(clips.length * melBins * 2 * frames);
  clips.forEach((clip, i) => mel.set(logMel(clip, melBins, 2 * frames), i * melBins * 2 * frames));
  const feeds = {
    mel: float32(mel, [clips.length, melBins, 2 * frames]),
    positions: int64(Array.from({ length: frames }, (_, i) => i)),
    ...(window === 'fit' && silenceFeeds(await model.silenceTails(true), clips.length, frames)),
  };
  const started = performance.now();
  const { fetched } = await model.runtime.run(program, feeds, { fetch: ['frames'] });
  return {
    window: frames,
    values: fetched.frames!.data as Float32Array,
    milliseconds: performance.now() - started,
  };
}

async function times(model: WhisperModel, programs: Programs) {
  const found = [];
  for (const [window, length, count] of SHAPES) {
    const clip = Float32Array.from({ length: 16_000 * length }, (_, i) => 0.1 * Math.sin(i * i * 1e-6));
    const clips = new Array<Float32Array>(count).fill(clip);
    const own: Record<string, number[]> = { composed: [], fused: [] };
    for (let round = -1; round < (count * length > 60 ? 4 : ROUNDS); round++) {
      for (const form of FORMS) {
        const { milliseconds } = await encoded(model, programs[window][form], clips, window);
        if (round >= 0) own[form]!.push(milliseconds);
      }
    }
    found.push({
      measure: `${window} windows of ${windowFrames(clip.length, window) / 50} s, ${count}`,
      ...own,
    });
    console.log(
      found.at(-1)!.measure,
      median(own.composed!),
      showRatios(pairwise(own.fused!, own.composed!)),
    );
  }
  return found as { measure: string; composed: number[]; fused: number[] }[];
}

/** Greedy texts of samples/ in fitted windows; of the 1,500 words and phrases of the training set there are other sets. */
async function texts(model: WhisperModel, programs: Programs) {
  const clips = await readManifest(inRepository('samples/manifest.tsv'));
  const manifest = clips.filter(({ set }) => set !== 'train');
  const counts: Record<string, { clips: number; same: number }> = {};
  const changed: string[][] = [];
  let largest = 0;
  for (const [language, places] of placesBy(manifest, (clip) => clip.language)) {
    const count = { clips: 0, same: 0 };
    counts[language] = count;
    for (let start = 0; start < places.length; start += CLIPS_PER_ROUND) {
      const some = places.slice(start, start + CLIPS_PER_ROUND).map((i) => manifest[i]!);
      const audio = await Promise.all(some.map((clip) => readAudio(clip.audio)));
      const own: string[][] = [];
      const frames: Float32Array[] = [];
      for (const form of FORMS) {
        const clips = [];
        for (const one of audio) {
          const { window, values } = await encoded(model, programs.fit[form], [one], 'fit');
          const length = Math.min(window, Math.ceil(one.length / SAMPLES_PER_FRAME));
          clips.push({ frames: values, window, length, width: model.dimensions.width });
          frames.push(values);
        }
        const prompts = clips.map(() => model.tokens.prompt(language, 'transcribe'));
        own.push((await decode(model, clips, { prompts, maxTokens: MAX_TOKENS })).map(({ text }) => text));
      }
      own[0]!.forEach((text, i) => {
        count.clips++;
        if (text === own[1]![i]) count.same++;
        else changed.push([text, own[1]![i]!]);
        for (const [k, value] of frames[i]!.entries())
          largest = Math.max(largest, Math.abs(value - frames[some.length + i]![k]!));
      });
    }
    console.log(language, count);
  }
  return { counts, changed, largest };
}

export async function attention({ model: directory, only }: BenchOptions): Promise<BenchResult> {
  const model = await WhisperModel.load(directory);
  const programs = await loaded(model);
  const wants = (part: string): boolean => only === undefined || only.includes(part);
  const found = wants('times') ? await times(model, programs) : [];
  const { counts, changed, largest } = wants('texts')
    ? await texts(model, programs)
    : { counts: {}, changed: [], largest: 0 };
  await model.close();
  const all = Object.values(counts);
  const sum = (of: 'clips' | 'same'): number => all.reduce((total, one) => total + one[of], 0);
  return {
    title: 'The encoder with fused attention against composed attention, float32',
    rows: [
      ...found.map(({ measure, composed, fused }) => ({
        measure,
        ours: `${median(fused).toFixed(1)} ms`,
        peer: `${median(composed).toFixed(1)} ms`,
        ratio: showRatios(pairwise(fused, composed)),
      })),
      ...Object.entries(counts).map(([language, { clips, same }]) => ({
        measure: `texts, ${language}`,
        ours: `${same} of ${clips} the same`,
      })),
    ],
    goals: [
      ...found.map(({ measure, composed, fused }) => {
        const ratio = pairwise(fused, composed).median;
        return {
          goal: `${measure}: at most ${LARGEST_RATIO} of the time`,
          found: ratio.toFixed(2),
          reached: ratio <= LARGEST_RATIO,
        };
      }),
      {
        goal: 'all texts stay',
        found: `${sum('same')} of ${sum('clips')}; frame values differ by ${largest.toExponential(1)} at most`,
        reached: sum('same') === sum('clips'),
      },
    ],
    notes: [],
    raw: { found, counts, changed },
  };
}
