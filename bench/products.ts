/**
 * Linear layers in whole numbers of few bits, and float16, against float32: time of a decoding step by rows, time of the encoder by
 * window, in turns; and the texts: how many stay as they are, word error rate. French, Catalan and single words are where
 * Whisper base is unsure: there the last bits of float32, too, tip a word.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { readAudio } from '../src/audio/audio-file.ts';
import { SAMPLE_RATE } from '../src/audio/sample-rate.ts';
import { readManifest } from '../src/data/manifest.ts';
import { decode } from '../src/decoding/decode.ts';
import { DecodingSession } from '../src/decoding/session.ts';
import { normalizeEnglish } from '../src/language/english/normalize-english.ts';
import { normalizeBasic } from '../src/language/normalize-basic.ts';
import { bootstrap, type Interval } from '../src/metrics/significance.ts';
import { errorMetric } from '../src/metrics/word-error-rate.ts';
import type { Compute, ModelProducts } from '../src/whisper/compute.ts';
import type { EncodedClip } from '../src/whisper/encoded-clip.ts';
import { WhisperModel } from '../src/whisper/model.ts';
import type { BenchOptions } from './options.ts';
import type { BenchResult, Row } from './result.ts';
import { clipsOf, sentences } from './speech.ts';
import { median, pairwise, showRatios } from './statistics.ts';

const FLOAT32: ModelProducts = { encoder: 'float32', decoder: 'float32' };
/** Inputs of two terms, in all steps. */
const twoTerms = (bits: 8 | 7): ModelProducts => ({
  ...FLOAT32,
  decoder: { scaled: 'rows', inputs: { bits, terms: 2 } },
});
/** The others are compared with the first. */
const STEP_FORMS: Readonly<Record<string, ModelProducts>> = {
  float32: FLOAT32,
  'int8, inputs of 16 bits': twoTerms(8),
  'int8, inputs of 14 bits': twoTerms(7),
  'int8 blocks': { ...FLOAT32, decoder: { scaled: 'blocks', bits: 8 } },
  'int4 blocks': { ...FLOAT32, decoder: { scaled: 'blocks', bits: 4 } },
};
const ROWS = [1, 5, 8, 16, 32, 48, 80];
const STEPS = 24;
const ROUNDS = 5;
const WINDOWS = [
  ['full', 'full window', 5],
  ['fit', 'fitted window, 8 s', 8],
] as const;

const WORDS = ['de', 'es', 'fr'];
const WORDS_EACH = 60;
const SMALLEST_SHARE = 0.98;
const CLIPS_PER_ROUND = 16;
/** Texts decoded at a time, whose words should not depend on it. */
const BATCHES = [1, 32];
/** None of the sentences has more than 80 tokens. */
const MAX_TOKENS = 110;

export async function products({ model }: BenchOptions): Promise<BenchResult> {
  const found = [...(await encoderTimes(model)), ...(await stepTimes(model))];
  return {
    title: 'Whole numbers of few bits: the encoder, and a decoding step, against float32 in turns',
    rows: found.flatMap(({ measure, times }) => timeRows(measure, times)),
    goals: found.map(({ measure, times }) => {
      const [first, ...others] = Object.values(times);
      const best = Math.min(...others.map((own) => pairwise(own, first!).median));
      return {
        goal: `${measure}: faster than float32`,
        found: `${best.toFixed(2)} of its time`,
        reached: best < 1,
      };
    }),
    notes: [],
    raw: found,
  };
}

export async function productsTexts(options: BenchOptions): Promise<BenchResult> {
  const texts = await quality(options);
  return {
    title:
      'Texts in numbers of few bits: words that differ (English and words: from what is said; else from float32)',
    rows: texts.flatMap(({ group, clips, rows, texts }) => [
      ...rows.map(
        ({ compute, identical, errors }): Row => ({
          measure: `${group}, ${compute}`,
          ours: `${errors.score.toFixed(2)} % (${errors.low.toFixed(1)} – ${errors.high.toFixed(1)})`,
          ratio: `${identical} of ${clips} texts identical`,
        }),
      ),
      ...['float32', 'auto']
        .filter((compute) => texts[compute])
        .map((compute): Row => {
          const [one, many] = BATCHES.map((batch) => texts[atATime(compute, batch)]!);
          return {
            measure: `${group}, ${compute}: ${BATCHES.join(' and ')} at a time`,
            ours: `${equalTexts(one!, many!)} of ${clips} texts identical`,
          };
        }),
    ]),
    goals: texts.flatMap(({ group, clips, rows }) =>
      rows.slice(1).map(({ compute, identical }) => ({
        goal: `${group}, ${compute}: at least 98 % of the texts stay`,
        found: `${identical} of ${clips}`,
        reached: identical / clips >= SMALLEST_SHARE,
      })),
    ),
    notes: [],
    raw: texts,
  };
}

interface Times {
  readonly measure: string;
  /** Milliseconds by form, a number for each turn. */
  readonly times: Readonly<Record<string, readonly number[]>>;
}

function timeRows(measure: string, times: Times['times']): Row[] {
  const [first] = Object.values(times);
  return Object.entries(times).map(([form, own], i) => ({
    measure: `${measure}, ${form}`,
    ours: `${median(own).toFixed(2)} ms`,
    ...(i > 0 && { ratio: showRatios(pairwise(own, first!)) }),
  }));
}

async function stepTimes(directory: string): Promise<Times[]> {
  const models = await loadAll(directory, STEP_FORMS);
  const found: Times[] = [];
  for (const rows of ROWS) {
    const times: Record<string, number[]> = {};
    for (let round = 0; round < ROUNDS; round++) {
      for (const [form, model] of models) (times[form] ??= []).push(await stepTime(model, rows));
    }
    found.push({ measure: `step of ${rows}`, times });
  }
  for (const [, model] of models) await model.close();
  return found;
}

async function loadAll(
  directory: string,
  forms: Readonly<Record<string, ModelProducts>>,
): Promise<[string, WhisperModel][]> {
  const models: [string, WhisperModel][] = [];
  for (const [form, compute] of Object.entries(forms)) {
    models.push([form, await WhisperModel.load(directory, { compute })]);
  }
  return models;
}

/** Median milliseconds of a step with so many texts, of as many clips of 5 s. */
async function stepTime(model: WhisperModel, texts: number): Promise<number> {
  const { width, vocabulary } = model.dimensions;
  const window = 300;
  const clip: EncodedClip = {
    frames: new Float32Array(window * width).fill(0.1),
    window,
    length: window,
    width,
  };
  const clips = Array.from({ length: texts }, () => clip);
  const session = await DecodingSession.start(model, clips, { silenceTails: 'none' });
  const suppression = { bias: new Float32Array(vocabulary), places: [1, 2, 7] };
  const ask = (tokens: number) => ({
    rows: clips.map((_, i) => (i + 1) * tokens - 1),
    suppression,
    count: 1,
  });
  const prompt = [...model.tokens.prompt('en', 'transcribe')];
  await session.readPrompts(
    clips.map(() => prompt),
    ask(prompt.length),
    ['candidates'],
  );
  const times: number[] = [];
  for (let step = 0; step < STEPS; step++) {
    const started = performance.now();
    await session.step(
      clips.map(() => 440),
      ask(1),
      ['candidates', 'logProbabilities'],
    );
    times.push(performance.now() - started);
  }
  await session.end();
  return median(times);
}

async function encoderTimes(directory: string): Promise<Times[]> {
  const models: [string, WhisperModel][] = [];
  for (const compute of ['float32', 'int8'] as const)
    models.push([compute, await WhisperModel.load(directory, { compute })]);
  const found: Times[] = [];
  for (const [window, measure, length] of WINDOWS) {
    const audio = [new Float32Array(length * SAMPLE_RATE).map((_, i) => 0.1 * Math.sin(i * i * 1e-6))];
    const times: Record<string, number[]> = {};
    for (const [, model] of models) await model.encode(audio, window);
    for (let round = 0; round < ROUNDS; round++) {
      for (const [compute, model] of models) {
        const started = performance.now();
        await model.encode(audio, window);
        (times[compute] ??= []).push(performance.now() - started);
      }
    }
    found.push({ measure: `encoder, ${measure}`, times });
  }
  for (const [, model] of models) await model.close();
  return found;
}

const atATime = (compute: string, batch: number): string => `${compute}, ${batch} at a time`;

const equalTexts = (some: readonly string[], others: readonly string[]): number =>
  some.filter((text, i) => text === others[i]).length;

interface Quality {
  readonly group: string;
  readonly clips: number;
  readonly rows: readonly {
    readonly compute: string;
    readonly identical: number;
    readonly errors: Interval;
  }[];
  readonly texts: Readonly<Record<string, readonly string[]>>;
}

/** Greedy texts: of sentences in fitted windows, of words in the full one. */
async function quality({ model: directory, recordings, only }: BenchOptions): Promise<Quality[]> {
  const manifest = join(recordings, 'manifest.tsv');
  const words = existsSync(manifest) ? await readManifest(manifest) : [];
  const groups = [
    ...(await Promise.all(
      ['en', 'fr', 'ca'].map(async (language) => ({
        group: `${language}, sentences`,
        language,
        window: 'fit' as const,
        clips: await sentences(language),
      })),
    )),
    { group: 'en, short', language: 'en', window: 'fit' as const, clips: await clipsOf('dev', 'en') },
    ...WORDS.map((language) => ({
      group: `${language}, words`,
      language,
      window: 'full' as const,
      clips: words.filter((clip) => clip.language === language && clip.set === 'words').slice(0, WORDS_EACH),
    })),
  ].filter(({ clips }) => clips.length > 0);
  const found: Quality[] = [];
  const texts = new Map<string, Record<string, string[]>>(groups.map(({ group }) => [group, {}]));
  const several = (compute: string): [name: string, batch: number][] => [
    [compute, CLIPS_PER_ROUND],
    ...BATCHES.map((batch): [string, number] => [atATime(compute, batch), batch]),
  ];
  const settings: [products: Compute | ModelProducts, names: [string, number][]][] = [
    ['float32', several('float32')],
    ['auto', several('auto')],
    // Those of a processor without instructions for products of bytes, in all steps.
    [twoTerms(7), [['decoder in int8 with inputs of 14 bits', CLIPS_PER_ROUND]]],
    ['int8', [['int8', CLIPS_PER_ROUND]]],
    ['float16', [['float16', CLIPS_PER_ROUND]]],
  ];
  for (const [products, names] of settings) {
    if (only !== undefined && products !== 'float32' && products !== only) continue;
    const model = await WhisperModel.load(directory, { compute: products });
    for (const { group, language, window, clips } of groups) {
      const encoded: EncodedClip[] = [];
      for (let start = 0; start < clips.length; start += CLIPS_PER_ROUND) {
        const some = clips.slice(start, start + CLIPS_PER_ROUND);
        encoded.push(
          ...(await model.encode(await Promise.all(some.map((clip) => readAudio(clip.audio))), window)),
        );
      }
      for (const [name, batch] of names) {
        const own: string[] = [];
        for (let start = 0; start < encoded.length; start += batch) {
          const some = encoded.slice(start, start + batch);
          const prompts = some.map(() => model.tokens.prompt(language, 'transcribe'));
          const decoded = await decode(model, some, { prompts, maxTokens: MAX_TOKENS });
          own.push(...decoded.map(({ text }) => text));
        }
        texts.get(group)![name] = own;
        console.log(`${group}, ${name}: done`);
      }
    }
    await model.close();
  }
  for (const { group, language, clips } of groups) {
    const byCompute = texts.get(group)!;
    const normal = (text: string): string =>
      language === 'en' ? normalizeEnglish(text) : normalizeBasic(text);
    const known = language === 'en' || group.endsWith('words');
    const references = (known ? clips.map(({ text }) => text) : byCompute.float32!).map(normal);
    const metric = errorMetric('wer');
    const rows = Object.entries(byCompute).map(([compute, own]) => ({
      compute,
      identical: equalTexts(own, byCompute.float32!),
      errors: bootstrap(
        metric.statistics(own.map(normal), [references]),
        (total) => metric.score(total).score,
      ),
    }));
    found.push({ group, clips: clips.length, rows, texts: byCompute });
  }
  return found;
}
