/**
 * Transcribing 24 English sentences, from files to text: ours in one batch, against faster-whisper int8 with as many
 * beams, one clip after the other (bench/peers/faster_whisper_transcribe.py). Reading the audio and its log-mel are
 * part of the time; loading the model, and one first clip, are not.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { readAudio } from '../src/audio/audio-file.ts';
import { decode } from '../src/decoding/decode.ts';
import type { WindowMode } from '../src/whisper/encoded-clip.ts';
import { WhisperModel } from '../src/whisper/model.ts';
import type { BenchOptions } from './options.ts';
import { Peer } from './peer.ts';
import { type BenchResult, inRepository } from './result.ts';
import { sentences, wordErrors } from './speech.ts';
import { median, pairwise, percent, seconds, showRatios } from './statistics.ts';

const CLIPS = 24;
const PASSES = 3;
/** Word error rate above the peer's, as a share. */
const MAX_DIFFERENCE = 0.01;

export interface TranscribeSetting {
  readonly beams: number;
  readonly window: WindowMode;
  /** Largest time as a ratio to faster-whisper's. */
  readonly largestRatio: number;
}

export async function transcribe(
  { model: directory, ctranslate2, compute }: BenchOptions,
  { beams, window, largestRatio }: TranscribeSetting,
): Promise<BenchResult> {
  const clips = await sentences('en', CLIPS);
  const list = inRepository('out/bench/transcribe-clips.tsv');
  mkdirSync(inRepository('out/bench'), { recursive: true });
  writeFileSync(list, clips.map(({ audio }) => `${audio}\ten\n`).join(''));

  const model = await WhisperModel.load(directory, { compute });
  const prompt = model.tokens.prompt('en', 'transcribe');
  const onePass = async (files: readonly string[]) => {
    const started = performance.now();
    const audio = await Promise.all(files.map((file) => readAudio(file)));
    const read = performance.now();
    const encoded = await model.encode(audio, window);
    const ready = performance.now();
    const decoded = await decode(model, encoded, { prompts: encoded.map(() => prompt), beams });
    const end = performance.now();
    return {
      texts: decoded.map(({ text }) => text),
      total: (end - started) / 1000,
      read: (read - started) / 1000,
      encode: (ready - read) / 1000,
      decode: (end - ready) / 1000,
    };
  };
  await onePass([clips[0]!.audio]);

  const peer = await Peer.start('faster_whisper_transcribe.py', [
    '--model',
    ctranslate2,
    '--files-from',
    list,
    ...['--beam', String(beams), '--compute', 'int8'],
  ]);
  const ours: Awaited<ReturnType<typeof onePass>>[] = [];
  const theirs: { seconds: number; texts: string[] }[] = [];
  for (let pass = 0; pass < PASSES; pass++) {
    ours.push(await onePass(clips.map(({ audio }) => audio)));
    if (typeof peer !== 'string') theirs.push((await peer.step()) as unknown as (typeof theirs)[number]);
  }
  if (typeof peer !== 'string') await peer.stop();
  await model.close();

  const references = clips.map(({ text }) => text);
  const ourErrors = wordErrors(ours[0]!.texts, references, 'en');
  const measured = theirs.length > 0;
  const peerErrors = measured ? wordErrors(theirs[0]!.texts, references, 'en') : Number.NaN;
  const ratios = pairwise(
    ours.map(({ total }) => total),
    theirs.map(({ seconds }) => seconds),
  );
  const part = (name: 'read' | 'encode' | 'decode') => seconds(median(ours.map((pass) => pass[name])));
  return {
    title: `Transcribing ${CLIPS} English sentences, ${beams === 1 ? 'greedy' : `${beams} beams`}, ${window === 'fit' ? 'fitted windows' : 'full windows'}`,
    rows: [
      {
        measure: 'from files to text',
        ours: seconds(median(ours.map(({ total }) => total))),
        ...(measured && {
          peer: seconds(median(theirs.map(({ seconds }) => seconds))),
          ratio: showRatios(ratios),
        }),
      },
      { measure: '  reading audio', ours: part('read') },
      { measure: '  log-mel and encoder', ours: part('encode') },
      { measure: '  decoder', ours: part('decode') },
      {
        measure: 'word error rate',
        ours: percent(ourErrors),
        ...(measured && { peer: percent(peerErrors) }),
      },
    ],
    goals: [
      {
        goal: `at most ${largestRatio.toFixed(2)} of faster-whisper's time`,
        found: measured ? ratios.median.toFixed(2) : 'no peer',
        reached: measured ? ratios.median <= largestRatio : undefined,
      },
      {
        goal: 'word error rate at most 1 point above faster-whisper’s',
        found: measured ? `${percent(ourErrors)} against ${percent(peerErrors)}` : 'no peer',
        reached: measured ? ourErrors - peerErrors <= MAX_DIFFERENCE : undefined,
      },
    ],
    notes: [
      typeof peer === 'string'
        ? peer
        : `peer: faster-whisper ${peer.versions['faster-whisper']}, int8, 2 threads`,
    ],
    ...(typeof peer !== 'string' && { peerVersions: peer.versions }),
    raw: { ours, peer: theirs, wordErrorRate: { ours: ourErrors, peer: peerErrors }, references },
  };
}
