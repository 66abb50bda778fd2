/**
 * Whether `encode` keeps the cores busy with short clips: processor time of its process over wall-clock time and cores, and, as
 * waiting threads may spin, its time against what encoder and reading take alone: clips in memory, and processor time.
 */
import { mkdirSync, rmSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { readAudio } from '../src/audio/audio-file.ts';
import { SAMPLE_RATE } from '../src/audio/sample-rate.ts';
import { writeManifest } from '../src/data/manifest-write.ts';
import { fillCache } from '../src/features/fill-cache.ts';
import { WhisperModel } from '../src/whisper/model.ts';
import { withModel } from '../src/whisper/with-model.ts';
import { measuredProcess } from './measured-process.ts';
import type { BenchOptions } from './options.ts';
import { type BenchResult, inRepository } from './result.ts';
import { clipsOf } from './speech.ts';
import { percent, seconds } from './statistics.ts';

const GOAL = 0.9;
/** As `encode` reads and encodes them. */
const PER_ROUND = 64;

export async function encodeCores({ model: directory, clips: most }: BenchOptions): Promise<BenchResult> {
  const folder = inRepository('out/bench/encode-cores');
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  // Sentences first, then words of a second.
  const sets = ['intro', 'words'].flatMap((set) =>
    ['en', 'ca', 'fr'].map((language) => clipsOf(set, language)),
  );
  const clips = (await Promise.all(sets)).flat().slice(0, most);
  const manifest = join(folder, 'clips.tsv');
  await writeManifest(manifest, clips);
  const cores = availableParallelism();
  const args = ['encode', manifest, '--model', directory, '--cache', join(folder, 'cache')];
  const cost = await measuredProcess(args, { scratch: folder });
  // In one process, so that neither counts the start: first from the files, then from memory.
  const before = process.cpuUsage();
  const samples: Float32Array[] = [];
  for (const { audio } of clips) samples.push(await readAudio(audio));
  const { user, system } = process.cpuUsage(before);
  const reading = (user + system) / 1e6;
  const { all, alone } = await withModel(WhisperModel.load(directory), async (model) => {
    await model.encode(samples.slice(0, 8), 'fit', { exact: true });
    const time = async (work: () => Promise<unknown>): Promise<number> => {
      const started = performance.now();
      await work();
      return (performance.now() - started) / 1000;
    };
    const fromMemory = async (): Promise<void> => {
      for (let i = 0; i < samples.length; i += PER_ROUND)
        await model.encode(samples.slice(i, i + PER_ROUND), 'fit', { exact: true });
    };
    const fromFiles = (): Promise<unknown> =>
      fillCache(model, clips, { window: 'fit', cache: join(folder, 'cache-2') });
    const alone = await time(fromMemory);
    return { all: await time(fromFiles), alone };
  });
  const audio = samples.reduce((sum, one) => sum + one.length / SAMPLE_RATE, 0);
  rmSync(folder, { recursive: true, force: true });
  const busy = cost.cpu / cost.seconds / cores;
  // Reading takes the processor, too.
  const least = alone + reading / cores;
  const share = least / all;
  return {
    title: `encode of ${clips.length} clips, ${audio.toFixed(0)} s of sound, ${cores} cores`,
    rows: [
      { measure: 'processor time / wall-clock time / cores', ours: percent(busy) },
      {
        measure: 'whole process',
        ours: `${seconds(cost.seconds)}, ${(audio / cost.seconds).toFixed(1)}x real time`,
      },
      { measure: 'from files into the cache', ours: seconds(all) },
      { measure: 'the encoder alone, sound in memory', ours: seconds(alone) },
      { measure: 'processor time of reading', ours: seconds(reading) },
    ],
    goals: [
      { goal: `cores ${percent(GOAL)} busy`, found: percent(busy), reached: busy >= GOAL },
      {
        goal: `encoder, and reading over ${cores} cores, take ${percent(GOAL)} of the time`,
        found: percent(share),
        reached: share >= GOAL,
      },
    ],
    notes: [],
    raw: { cost, all, alone, reading, audio, clips: clips.length, cores },
  };
}
