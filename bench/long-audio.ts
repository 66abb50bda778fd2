/**
 * Audio longer than a window: English sentences joined to three minutes, read in windows with timestamps and 5 beams,
 * against faster-whisper int8 with the same settings.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { readAudio } from '../src/audio/audio-file.ts';
import { joinSamples } from '../src/audio/join-samples.ts';
import { SAMPLE_RATE } from '../src/audio/sample-rate.ts';
import { wavBytes } from '../src/audio/wav-write.ts';
import { transcribeFiles } from '../src/decoding/transcribe-files.ts';
import type { Transcript } from '../src/decoding/transcript.ts';
import { WhisperModel } from '../src/whisper/model.ts';
import type { BenchOptions } from './options.ts';
import { Peer } from './peer.ts';
import { type BenchResult, inRepository } from './result.ts';
import { sentences, wordErrors } from './speech.ts';
import { percent, seconds } from './statistics.ts';

const SECONDS = 180;
/** Silence between the sentences. */
const PAUSE = 0.5 * SAMPLE_RATE;
const BEAMS = 5;
/** Word error rate above the peer's, as a share. */
const MAX_DIFFERENCE = 0.005;

export async function longAudio({ model: directory, ctranslate2 }: BenchOptions): Promise<BenchResult> {
  const clips = await sentences('en');
  const parts: Float32Array[] = [];
  const texts: string[] = [];
  let length = 0;
  for (const { audio, text } of clips) {
    const samples = await readAudio(audio);
    if (length + samples.length > SECONDS * SAMPLE_RATE) break;
    parts.push(samples, new Float32Array(PAUSE));
    texts.push(text);
    length += samples.length + PAUSE;
  }
  mkdirSync(inRepository('out/bench'), { recursive: true });
  const file = inRepository('out/bench/long.wav');
  writeFileSync(file, wavBytes(joinSamples(parts)));
  const reference = [texts.join(' ')];

  const model = await WhisperModel.load(directory);
  const ours = async (beams: number) => {
    const started = performance.now();
    const { value } = await transcribeFiles(model, [{ audio: file, language: 'en' }], { beams }).next();
    const { text, segments } = value as Transcript;
    return { text, segments: segments.length, took: (performance.now() - started) / 1000 };
  };
  const beam = await ours(BEAMS);
  const greedy = await ours(1);
  await model.close();
  const list = inRepository('out/bench/long.tsv');
  writeFileSync(list, `${file}\ten\n`);
  const options = ['--model', ctranslate2, '--files-from', list, '--beam', String(BEAMS), '--timestamps'];
  const peer = await Peer.start('faster_whisper_transcribe.py', options);
  const theirs = typeof peer === 'string' ? undefined : await peer.step();
  if (typeof peer !== 'string') await peer.stop();
  const errors = (text: string): number => wordErrors([text], reference, 'en');
  const peerErrors = theirs && errors((theirs.texts as string[])[0]!);
  const difference = peerErrors === undefined ? undefined : errors(beam.text) - peerErrors;
  return {
    title: `${Math.round(length / SAMPLE_RATE)} s of English, windows with timestamps, ${BEAMS} beams`,
    rows: [
      {
        measure: 'word error rate',
        ours: percent(errors(beam.text)),
        ...(peerErrors !== undefined && { peer: percent(peerErrors) }),
      },
      {
        measure: 'time',
        ours: seconds(beam.took),
        ...(theirs && { peer: seconds(theirs.seconds), ratio: (beam.took / theirs.seconds).toFixed(2) }),
      },
      {
        measure: 'greedy: word error rate, time',
        ours: `${percent(errors(greedy.text))}, ${seconds(greedy.took)}`,
      },
    ],
    goals: [
      {
        goal: 'word error rate at most half a point above faster-whisper’s',
        found:
          peerErrors === undefined
            ? 'no peer'
            : `${percent(errors(beam.text))} against ${percent(peerErrors)}`,
        reached: difference === undefined ? undefined : difference <= MAX_DIFFERENCE,
      },
    ],
    notes: [
      typeof peer === 'string'
        ? peer
        : 'The one pass also reads the file once before it is timed (the peer).',
    ],
    raw: { beam, greedy, theirs, reference },
  };
}
