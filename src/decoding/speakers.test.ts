/** Who speaks, in transcripts: words and segments of known turns, and two people of the samples, joined. */
import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, test } from 'vitest';
import { readAudio } from '../audio/audio-file.ts';
import { joinSamples } from '../audio/join-samples.ts';
import { UserError } from '../errors.ts';
import type { SpeakerTurn } from '../speakers/turns.ts';
import { baseModel } from '../testing/base-model.ts';
import type { WhisperModel } from '../whisper/model.ts';
import { formatTranscript } from './formats/transcript-formats.ts';
import { withSpeakers } from './speakers.ts';
import { type TranscribeFilesOptions, transcribeFiles } from './transcribe-files.ts';
import type { Segment, Transcript } from './transcript.ts';

let model: WhisperModel;
beforeAll(async () => {
  model = await baseModel();
});

const turns: SpeakerTurn[] = [
  { start: 0, end: 2, speaker: 1 },
  { start: 2, end: 4, speaker: 2 },
];

function segment(text: string, words?: readonly (readonly [string, number, number])[]): Segment {
  const ids = model.tokens.encode(text);
  const { firstTimestamp } = model.tokens;
  return {
    ...{
      start: 0,
      end: 4,
      text,
      english: 'x',
      averageLogProbability: -0.1,
      compressionRatio: 1,
      temperature: 0,
    },
    tokens: [firstTimestamp, ...ids, firstTimestamp + 200],
    logProbabilities: [0, ...ids.map(() => -0.1), 0],
    ...(words && { words: words.map(([text, start, end]) => ({ text, start, end, probability: 1 })) }),
  };
}

describe('a segment', () => {
  test('without word times has the one who speaks most of it, or stands nearest', () => {
    const [one] = withSpeakers({ ...segment(' Hi'), start: 1, end: 3.5 }, turns, model.tokens);
    expect(one?.speaker).toBe(2);
    expect(withSpeakers({ ...segment(' Hi'), start: 7, end: 8 }, turns, model.tokens)[0]?.speaker).toBe(2);
    const nobody = segment(' Hi');
    expect(withSpeakers(nobody, [], model.tokens)).toEqual([nobody]);
  });

  test('is split where the speakers of its words change, and loses neither a word nor a token', () => {
    const whole = segment(' Où est-il? 很好。 Là-bas!', [
      [' Où', 0.1, 0.5],
      [' est-il?', 0.5, 1.5],
      [' 很好。', 2.1, 3],
      [' Là-bas!', 3, 3.9],
    ]);
    const parts = withSpeakers(whole, turns, model.tokens);
    expect(parts.map(({ speaker, text, start, end }) => [speaker, text, start, end])).toEqual([
      [1, ' Où est-il?', 0, 1.5],
      [2, ' 很好。 Là-bas!', 2.1, 4],
    ]);
    expect(parts.flatMap(({ tokens }) => tokens)).toEqual(whole.tokens);
    expect(parts.flatMap(({ logProbabilities }) => logProbabilities)).toEqual(whole.logProbabilities);
    expect(parts.flatMap(({ words = [] }) => words.map(({ speaker }) => speaker))).toEqual([1, 1, 2, 2]);
    for (const { text, tokens } of parts)
      expect(model.tokens.decode(tokens.filter((id) => model.tokens.isText(id)))).toBe(text);
    expect(parts.map(({ english }) => english)).toEqual(['x', undefined]);
  });
});

const sample = (name: string) =>
  readAudio(fileURLToPath(new URL(`../../samples/gcompris/${name}.opus`, import.meta.url)));
const transcribed = async (
  samples: Float32Array,
  options: TranscribeFilesOptions,
): Promise<Transcript<Float32Array>> => {
  for await (const result of transcribeFiles(model, [{ audio: samples, language: 'en' }], options)) {
    if ('error' in result) throw new Error(result.error);
    return result;
  }
  throw new Error('no result');
};

test('a woman and a man by turns are two speakers, in every format', async () => {
  const pause = new Float32Array(8000);
  const parts: Float32Array[] = [];
  for (const name of ['en/algebra_by', 'ca/algebra_by']) parts.push(await sample(name), pause);
  const segments: Segment[] = [];
  const found = await transcribed(joinSamples(parts), {
    speakers: true,
    words: true,
    onSegment: (segment) => segments.push(segment),
  });
  // Pauses part turns of one speaker: the last of each.
  const last = found.turns!.filter(({ speaker }, i, all) => all[i + 1]?.speaker !== speaker);
  expect(last.map(({ speaker }) => speaker)).toEqual([1, 2]);
  // Where the parts really end.
  let end = 0;
  for (const [i, { end: turnEnd }] of last.entries()) {
    end += (parts[2 * i]!.length + pause.length) / 16_000;
    expect(Math.abs(turnEnd - end)).toBeLessThan(1.2);
  }
  expect(segments).toEqual(found.segments);
  expect(new Set(found.segments.map(({ speaker }) => speaker))).toEqual(new Set([1, 2]));
  expect(
    found.segments
      .map(({ text }) => text)
      .join('')
      .trim(),
  ).toBe(found.text);
  const named = { ...found, audio: 'the talk.wav' };
  expect(formatTranscript(named, 'vtt')).toMatch(/\d\n<v Speaker 1>\w/);
  expect(formatTranscript(named, 'srt')).toMatch(/\d\nSpeaker 2: \w/);
  expect(formatTranscript(named, 'txt')).toMatch(/^Speaker 1: \w/);
  expect(formatTranscript(named, 'rttm')).toMatch(
    /^SPEAKER the_talk 1 \d\.\d{3} \d\.\d{3} <NA> <NA> speaker1 <NA> <NA>\n/,
  );
}, 300_000);

test('with their number, and in a clip, times are those of the recording', async () => {
  const samples = joinSamples([new Float32Array(32_000), await sample('en/algebra_by')]);
  const { turns } = await transcribed(samples, { speakers: 1, clip: { from: 2 } });
  expect(new Set(turns!.map(({ speaker }) => speaker))).toEqual(new Set([1]));
  expect(turns![0]!.start).toBeGreaterThan(2);
});

test.each<[string, TranscribeFilesOptions, string]>([
  ['a number that is none', { speakers: 0.5 }, 'speakers: found 0.5'],
  ['a number and separate channels', { speakers: 2, channels: 'separate' }, 'found their number, 2'],
  ['a speaker model alone', { speakerModel: 'x' }, 'without speakers'],
  ['a folder that holds no speaker model', { speakers: true, speakerModel: '/nowhere' }, '/nowhere'],
])('%s is a mistake of one line', async (_, options, line) => {
  const mistake = transcribed(new Float32Array(16_000), options);
  await expect(mistake).rejects.toThrow(UserError);
  await expect(mistake).rejects.toThrow(line);
});
