/**
 * Audio to the model's input: reading, decoding, resampling to 16 kHz and log-mel, by format, as seconds of sound for a second of
 * one core. Clips of real speech from samples/, written in each format by ffmpeg.
 */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parquetWriteBuffer } from 'hyparquet-writer';
import { packTar } from 'modern-tar';
import { readAudio } from '../src/audio/audio-file.ts';
import { cellReference, memberReference } from '../src/audio/audio-reference.ts';
import { HOP, logMel } from '../src/audio/log-mel.ts';
import { SAMPLE_RATE } from '../src/audio/sample-rate.ts';
import { wavBytes } from '../src/audio/wav-write.ts';
import type { BenchOptions } from './options.ts';
import { type BenchResult, inRepository, type Row } from './result.ts';
import { sentences } from './speech.ts';
import { median } from './statistics.ts';

/** Seconds of sound for a second of a core. */
const GOAL = 200;
const CLIPS = 60;
const ROUNDS = 5;
/** Of Whisper base. */
const MEL_BINS = 80;

/** Formats as corpora have them, with ffmpeg's arguments. */
const FORMATS: Readonly<Record<string, readonly string[]>> = {
  'wav 16 kHz': ['-ar', '16000', '16k.wav'],
  'wav 44.1 kHz stereo': ['-ar', '44100', '-ac', '2', '44k.wav'],
  'wav 48 kHz': ['-ar', '48000', '48k.wav'],
  'flac 16 kHz': ['-ar', '16000', '16k.flac'],
  'flac 48 kHz': ['-ar', '48000', '48k.flac'],
  'mp3 48 kHz, 64 kbit/s': ['-ar', '48000', '-b:a', '64k', '48k.mp3'],
  'mp3 44.1 kHz stereo, 128 kbit/s': ['-ar', '44100', '-ac', '2', '-b:a', '128k', '44k.mp3'],
  'opus 48 kHz, 32 kbit/s': ['-b:a', '32k', '48k.opus'],
  'm4a (AAC) 44.1 kHz stereo': ['-ar', '44100', '-ac', '2', '-b:a', '96k', '44k.m4a'],
};

interface Cost {
  /** Processor seconds for a second of sound: read and decoded, and log-mel of it. */
  readonly decode: number;
  readonly mel: number;
}

export async function audioInput(_: BenchOptions): Promise<BenchResult> {
  const folder = inRepository('out/bench/audio-input');
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  const sources: string[] = [];
  for (const [i, { audio }] of (await sentences('en', CLIPS)).entries()) {
    const file = join(folder, `${i}.wav`);
    writeFileSync(file, wavBytes(await readAudio(audio)));
    sources.push(file);
  }
  const sets: [string, string[]][] = [];
  const notes: string[] = [];
  for (const [format, args] of Object.entries(FORMATS)) {
    const files = encode(sources, args);
    if (files) sets.push([format, files]);
    else notes.push(`${format}: ffmpeg is missing, or cannot write it`);
  }
  const flac = sets.find(([format]) => format === 'flac 16 kHz')?.[1] ?? sources;
  sets.push(['flac 16 kHz in a tar', await inTar(join(folder, 'clips.tar'), flac)]);
  sets.push(['flac 16 kHz in Parquet', inParquet(join(folder, 'clips.parquet'), flac)]);
  const costs: Record<string, Cost> = {};
  for (const [format, files] of sets) costs[format] = await measure(files);
  rmSync(folder, { recursive: true, force: true });
  const rate = ({ decode, mel }: Cost): number => 1 / (decode + mel);
  const slow = Object.entries(costs).filter(([, cost]) => rate(cost) < GOAL);
  return {
    title: `Audio to log-mel: ${CLIPS} clips, median of ${ROUNDS} rounds, processor time of all threads`,
    rows: Object.entries(costs).map(
      ([measured, cost]): Row => ({
        measure: measured,
        ours: `${rate(cost).toFixed(0)}x real time (decoded at ${(1 / cost.decode).toFixed(0)}x, log-mel at ${(1 / cost.mel).toFixed(0)}x)`,
      }),
    ),
    goals: [
      {
        goal: `${GOAL}x real time on one core in every format`,
        found:
          slow.length === 0
            ? `${Math.min(...Object.values(costs).map(rate)).toFixed(0)}x at least`
            : slow.map(([format, cost]) => `${format} ${rate(cost).toFixed(0)}x`).join(', '),
        reached: slow.length === 0,
      },
    ],
    notes,
    raw: costs,
  };
}

function encode(sources: readonly string[], args: readonly string[]): string[] | undefined {
  const suffix = args.at(-1)!;
  const files = sources.map((source) => source.replace(/\.wav$/, `-${suffix}`));
  try {
    for (const [i, source] of sources.entries())
      execFileSync('ffmpeg', ['-v', 'error', '-y', '-i', source, ...args.slice(0, -1), files[i]!], {
        stdio: 'pipe',
      });
  } catch {
    return undefined;
  }
  return files.every((file) => existsSync(file)) ? files : undefined;
}

async function inTar(archive: string, files: readonly string[]): Promise<string[]> {
  const entries = files.map((file, i) => ({
    header: { name: `${i}.flac`, size: statSync(file).size },
    body: new Uint8Array(readFileSync(file)),
  }));
  writeFileSync(archive, await packTar(entries));
  return files.map((_, i) => memberReference(archive, `${i}.flac`));
}

function inParquet(table: string, files: readonly string[]): string[] {
  const data = files.map((file) => new Uint8Array(readFileSync(file)));
  const columnData = [{ name: 'audio', data, type: 'BYTE_ARRAY' as const }];
  writeFileSync(table, new Uint8Array(parquetWriteBuffer({ columnData, rowGroupSize: 100 })));
  return files.map((_, row) => cellReference(table, row));
}

/** The first round compiles, and is not counted. */
async function measure(files: readonly string[]): Promise<Cost> {
  const decodes: number[] = [];
  const mels: number[] = [];
  for (let round = 0; round <= ROUNDS; round++) {
    let seconds = 0;
    let decode = 0;
    let mel = 0;
    for (const file of files) {
      const started = process.cpuUsage();
      const samples = await readAudio(file);
      const decoded = process.cpuUsage(started);
      logMel(samples, MEL_BINS, Math.ceil(samples.length / HOP));
      const whole = process.cpuUsage(started);
      seconds += samples.length / SAMPLE_RATE;
      decode += (decoded.user + decoded.system) / 1e6;
      mel += (whole.user + whole.system - decoded.user - decoded.system) / 1e6;
    }
    if (round === 0) continue;
    decodes.push(decode / seconds);
    mels.push(mel / seconds);
  }
  return { decode: median(decodes), mel: median(mels) };
}
