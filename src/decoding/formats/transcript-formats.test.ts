import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { afterAll, describe, expect, test } from 'vitest';
import { UserError } from '../../errors.ts';
import type { Segment, Transcript, Word } from '../transcript.ts';
import type { SubtitleOptions } from './subtitles.ts';
import { formatTranscript, outputPaths, TRANSCRIPT_FORMATS, writeTranscript } from './transcript-formats.ts';

function transcript(...segments: (Partial<Segment> & { text: string })[]): Transcript {
  return {
    audio: 'talk.wav',
    language: 'en',
    text: segments.map(({ text }) => text).join(''),
    duration: 10,
    averageLogProbability: -0.25,
    segments: segments.map((segment) => ({
      start: 0,
      end: 1,
      tokens: [],
      logProbabilities: [],
      averageLogProbability: -0.25,
      compressionRatio: 1,
      temperature: 0,
      ...segment,
    })),
  };
}

const word = (start: number, end: number, text: string): Word => ({ start, end, text, probability: 1 });

interface GoldenCase {
  segments: (Omit<Partial<Segment>, 'words'> & {
    text: string;
    words?: { start: number; end: number; word: string }[];
  })[];
  options: SubtitleOptions;
  expected: Record<'txt' | 'srt' | 'vtt' | 'tsv', string>;
}
/** Made by scripts/golden/subtitles.py. */
const golden: { madeBy: string; cases: GoldenCase[] } = JSON.parse(
  gunzipSync(readFileSync(new URL('./golden/subtitles.json.gz', import.meta.url))).toString('utf8'),
);

test(`the same as ${golden.madeBy}`, () => {
  for (const { segments, options, expected } of golden.cases) {
    const given = transcript(
      ...segments.map(({ words, ...segment }) => ({
        ...segment,
        ...(words && { words: words.map((each) => word(each.start, each.end, each.word)) }),
      })),
    );
    for (const format of ['txt', 'srt', 'vtt', 'tsv'] as const) {
      expect(formatTranscript(given, format, options), JSON.stringify(options)).toBe(expected[format]);
    }
  }
});

const talk = transcript(
  { start: 0, end: 1.9996, text: ' Hello there.' },
  { start: 59.9995, end: 3600, text: ' Bye.' },
);

describe('exactly', () => {
  test.each([
    ['txt', 'Hello there.\nBye.\n'],
    ['srt', '1\n00:00:00,000 --> 00:00:02,000\nHello there.\n\n2\n00:01:00,000 --> 01:00:00,000\nBye.\n\n'],
    ['vtt', 'WEBVTT\n\n00:00.000 --> 00:02.000\nHello there.\n\n01:00.000 --> 01:00:00.000\nBye.\n\n'],
    ['tsv', 'start\tend\ttext\n0\t2000\tHello there.\n60000\t3600000\tBye.\n'],
  ] as const)('%s', (format, expected) => {
    expect(formatTranscript(talk, format)).toBe(expected);
  });

  test('json is the transcript, jsonl the same in one line', () => {
    expect(JSON.parse(formatTranscript(talk, 'json'))).toEqual(talk);
    const line = formatTranscript(talk, 'jsonl');
    expect(JSON.parse(line)).toEqual(talk);
    expect(line.indexOf('\n')).toBe(line.length - 1);
  });
});

test('a transcript without speech', () => {
  const empty = transcript();
  expect(formatTranscript(empty, 'txt')).toBe('');
  expect(formatTranscript(empty, 'srt')).toBe('');
  expect(formatTranscript(empty, 'vtt')).toBe('WEBVTT\n\n');
  expect(formatTranscript(empty, 'tsv')).toBe('start\tend\ttext\n');
});

test('a hundred hours', () => {
  const late = transcript({ start: 359_999.9994, end: 360_000.001, text: 'x' });
  expect(formatTranscript(late, 'srt')).toBe('1\n99:59:59,999 --> 100:00:00,001\nx\n\n');
});

test('what would break a format is taken out or escaped', () => {
  const odd = transcript({ text: ' a --> b\r\n\r\n<i>c</i> &\td\u2028 ' });
  expect(formatTranscript(odd, 'srt')).toBe('1\n00:00:00,000 --> 00:00:01,000\na -> b\n<i>c</i> &\td\n\n');
  expect(formatTranscript(odd, 'vtt')).toBe(
    'WEBVTT\n\n00:00.000 --> 00:01.000\na -> b\n&lt;i>c&lt;/i> &amp;\td\n\n',
  );
  expect(formatTranscript(odd, 'tsv')).toBe('start\tend\ttext\n0\t1000\ta --> b <i>c</i> & d\n');
  expect(formatTranscript(odd, 'txt')).toBe('a --> b <i>c</i> & d\n');
});

test('an arrow made of several words is no time line, either', () => {
  const words = [word(0, 1, ' a --'), word(1, 2, '>'), word(2, 3, ' <b')];
  const given = transcript({ text: ' a --> <b', words });
  expect(formatTranscript(given, 'srt')).toContain('\na -> <b\n');
  const highlighted = formatTranscript(given, 'vtt', { highlightWords: true });
  expect(highlighted).toContain('\n<u>a --</u>> &lt;b\n');
  expect(highlighted).toContain('\na --<u>></u> &lt;b\n');
  expect(highlighted).toContain('\na -> <u>&lt;b</u>\n');
});

test.each([-0.001, Number.NaN, Number.POSITIVE_INFINITY])('a time of %s s is a bug of ours', (time) => {
  for (const format of TRANSCRIPT_FORMATS) {
    expect(() => formatTranscript(transcript({ text: 'x', start: time }), format)).toThrow('internal');
    const words = [word(0, time, 'x')];
    expect(() => formatTranscript(transcript({ text: 'x', words }), format)).toThrow('internal');
  }
});

describe('each recording has a result of its own', () => {
  test.each([
    [
      ['a/x.wav', 'a/y.wav'],
      ['x', 'y'],
    ],
    [['a/x.wav'], ['x']],
    [
      ['a/x.wav', 'b/x.wav', 'b/y.wav'],
      ['a/x', 'b/x', 'b/y'],
    ],
    [
      ['x.wav', 'x.mp3'],
      ['x.wav', 'x.mp3'],
    ],
    [
      ['a/x.wav', 'a/X.wav'],
      ['x.wav', 'X.wav'],
    ],
    [
      ['talk.1.wav', 'talk.2.wav'],
      ['talk.1', 'talk.2'],
    ],
    [
      ['/far/..x/a.wav', '/far/a.wav'],
      ['..x/a', 'a'],
    ],
    [
      ['/a/x.wav', '/b/x.wav'],
      ['a/x', 'b/x'],
    ],
    [[], []],
  ])('%s', (audio, expected) => {
    expect(outputPaths(audio, 'out')).toEqual(expected.map((name) => join('out', name)));
  });

  test('but not for one file twice', () => {
    expect(() => outputPaths(['a/x.wav', './a/x.wav'], 'out')).toThrow(UserError);
    expect(() => outputPaths(['a/x.wav', './a/x.wav'], 'out')).toThrow('found it twice');
  });
});

describe('speakers', () => {
  const both = transcript(
    { start: 0, end: 1, text: ' Yes & no.', speaker: 1 },
    { start: 1, end: 2, text: ' Why?', speaker: 2, channel: 2 },
  );
  test.each([
    ['txt', 'Speaker 1: Yes & no.\nSpeaker 2: Why?\n'],
    ['tsv', 'start\tend\ttext\n0\t1000\tSpeaker 1: Yes & no.\n1000\t2000\tSpeaker 2: Why?\n'],
    [
      'vtt',
      'WEBVTT\n\n00:00.000 --> 00:01.000\n<v Speaker 1>Yes &amp; no.\n\n00:01.000 --> 00:02.000\n<v Speaker 2>Why?\n\n',
    ],
  ] as const)('stand before what they say: %s', (format, expected) => {
    expect(formatTranscript(both, format)).toBe(expected);
  });

  test('share no subtitle, also where words flow from one segment into the next', () => {
    const words = [
      { ...word(0, 1, ' Yes.'), speaker: 1 },
      { ...word(1, 2, ' No.'), speaker: 2 },
    ];
    const flowing = transcript(...words.map((one) => ({ ...one, words: [one] })));
    const srt = formatTranscript(flowing, 'srt', { maxLineWidth: 40, maxLineCount: 2 });
    expect(srt.match(/Speaker \d: .*/g)).toEqual(['Speaker 1: Yes.', 'Speaker 2: No.']);
  });

  test('as RTTM only where they were asked for', () => {
    expect(formatTranscript({ ...both, turns: [{ start: 1, end: 2.5, speaker: 2 }] }, 'rttm')).toBe(
      'SPEAKER talk 1 1.000 1.500 <NA> <NA> speaker2 <NA> <NA>\n',
    );
    expect(() => formatTranscript(both, 'rttm')).toThrow('talk.wav: found no speakers');
  });
});

describe('writing', () => {
  const folder = mkdtempSync(join(tmpdir(), 'transcripts-'));
  afterAll(() => rmSync(folder, { recursive: true }));

  test('every format, folders included, nothing half-written', async () => {
    await writeTranscript({ ...talk, turns: [] }, join(folder, 'a/b/talk.1'), TRANSCRIPT_FORMATS);
    expect(readdirSync(join(folder, 'a/b')).sort()).toEqual(
      TRANSCRIPT_FORMATS.map((format) => `talk.1.${format}`).sort(),
    );
    expect(readFileSync(join(folder, 'a/b/talk.1.srt'), 'utf8')).toBe(formatTranscript(talk, 'srt'));
  });

  test('a file where a folder should be is an error of one line', async () => {
    writeFileSync(join(folder, 'file'), '');
    const error = await writeTranscript(talk, join(folder, 'file/talk'), ['txt']).catch((thrown) => thrown);
    expect(error).toBeInstanceOf(UserError);
    expect(error.message).toContain(join(folder, 'file/talk.txt'));
    expect(error.message).not.toContain('\n');
  });
});
