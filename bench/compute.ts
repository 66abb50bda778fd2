/**
 * The numbers that a model computes with while it writes texts: what `--compute auto` and `int8` take of float32's time, in
 * turns, and how many texts stay. 24 English sentences together and one at a time, greedy and with 5 beams, from samples to
 * texts; a long recording in windows, one after the other.
 */
import { readAudio } from '../src/audio/audio-file.ts';
import { decode } from '../src/decoding/decode.ts';
import { transcribeFiles } from '../src/decoding/transcribe-files.ts';
import type { Transcript } from '../src/decoding/transcript.ts';
import type { Compute } from '../src/whisper/compute.ts';
import { WhisperModel } from '../src/whisper/model.ts';
import { RECORDINGS } from './long-recordings.ts';
import type { BenchOptions } from './options.ts';
import type { BenchResult, Goal, Row } from './result.ts';
import { sentences } from './speech.ts';
import { median, pairwise, showRatios } from './statistics.ts';

const CLIPS = 24;
/** Slower than float32 by more than this is not noise. */
const MOST = 1.05;

interface Setting {
  readonly measure: string;
  readonly rounds: number;
  readonly run: (model: WhisperModel) => Promise<readonly string[]>;
}

export async function compute(options: BenchOptions): Promise<BenchResult> {
  const { model: directory, rounds, only } = options;
  const clips = await sentences('en', CLIPS);
  const audio = await Promise.all(clips.map((clip) => readAudio(clip.audio)));
  const texts = async (model: WhisperModel, some: readonly Float32Array[], beams: number) => {
    const encoded = await model.encode(some, 'fit');
    const prompts = some.map(() => model.tokens.prompt('en', 'transcribe'));
    return (await decode(model, encoded, { prompts, beams })).map(({ text }) => text);
  };
  const settings: Record<string, Setting> = {};
  for (const [name, beams] of [
    ['greedy', 1],
    ['beams', 5],
  ] as const) {
    settings[name] = {
      measure: `${CLIPS} clips together, ${name}`,
      rounds: rounds + 1,
      run: (model) => texts(model, audio, beams),
    };
    settings[`one-${name}`] = {
      measure: `${CLIPS} clips, one at a time, ${name}`,
      rounds,
      run: async (model) => {
        const found: string[] = [];
        for (const samples of audio) found.push(...(await texts(model, [samples], beams)));
        return found;
      },
    };
  }
  settings.long = {
    measure: 'a recording of 10 min, windows of 30 s, greedy',
    rounds,
    run: async (model) => {
      const { file, language } = await RECORDINGS.en!.make(options);
      const request = { beams: 1, batched: false };
      const { value } = await transcribeFiles(model, [{ audio: file, language }], request).next();
      return (value as Transcript).segments.map(({ text }) => text);
    },
  };
  const chosen = Object.entries(settings).filter(([name]) => !only || only.split(',').includes(name));

  const models: [Compute, WhisperModel][] = [];
  for (const numbers of ['float32', 'auto', 'int8'] as const)
    models.push([numbers, await WhisperModel.load(directory, { compute: numbers })]);
  for (const [, model] of models) for (const beams of [1, 5]) await texts(model, audio.slice(0, 2), beams);
  const rows: Row[] = [];
  const goals: Goal[] = [];
  const raw: unknown[] = [];
  for (const [, { measure, rounds, run }] of chosen) {
    const times: Partial<Record<Compute, number[]>> = {};
    const written: Partial<Record<Compute, readonly string[]>> = {};
    for (let round = 0; round < rounds; round++) {
      for (const [numbers, model] of models) {
        const started = performance.now();
        written[numbers] = await run(model);
        (times[numbers] ??= []).push((performance.now() - started) / 1000);
      }
    }
    for (const [numbers] of models) {
      const own = times[numbers]!;
      const ratios = pairwise(own, times.float32!);
      const count = written.float32!.length;
      const same = written.float32!.filter((text, i) => text === written[numbers]![i]).length;
      const row: Row = {
        measure: `${measure}, ${numbers}`,
        ours: `${median(own).toFixed(2)} s`,
        ...(numbers !== 'float32' && { ratio: `${showRatios(ratios)}; ${same} of ${count} texts the same` }),
      };
      rows.push(row);
      console.log(Object.values(row).join('  '));
      if (numbers === 'auto') {
        goals.push({
          goal: `${measure}: auto takes no longer than float32, and writes at least 98 % of the texts alike`,
          found: `${ratios.median.toFixed(2)}; ${same} of ${count}`,
          reached: ratios.median <= MOST && same >= 0.98 * count,
        });
      }
    }
    raw.push({ measure, times, written });
  }
  for (const [, model] of models) await model.close();
  return { title: 'Texts in float32, auto and int8, in turns', rows, goals, notes: [], raw };
}
