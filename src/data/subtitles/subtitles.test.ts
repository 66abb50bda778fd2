import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { readAudio } from '../../audio/audio-file.ts';
import { wavBytes } from '../../audio/wav-write.ts';
import { readManifest } from '../manifest.ts';
import { type CorpusClip, writeManifest } from '../manifest-write.ts';
import { cleanCue } from './clean.ts';
import { readCues } from './cues.ts';
import { type SegmentOptions, type SubtitlesIn, segmentRecording } from './segment.ts';
import { type SegmentCounts, type SegmentSettings, segmentRecordings } from './segment-recordings.ts';
import { endsSentence } from './sentences.ts';

const folder = mkdtempSync(join(tmpdir(), 'subtitles-'));
afterAll(() => rmSync(folder, { recursive: true }));

function file(name: string, content: string | Uint8Array): string {
  writeFileSync(join(folder, name), content);
  return join(folder, name);
}

const SRT =
  '1\n00:00:01,000 --> 00:00:02,500\nGrüße\n<i>von</i> dort.\n\n2\n00:01:02,500 --> 1:01:03.25\nZwei\n\nZeilen\n';
const CUES = [
  { number: 1, start: 1, end: 2.5, text: 'Grüße\n<i>von</i> dort.' },
  { number: 2, start: 62.5, end: 3663.25, text: 'Zwei\nZeilen' },
];

test.each([
  ['UTF-8', SRT],
  ['UTF-8 with a byte order mark', `\ufeff${SRT}`],
  ['CRLF', SRT.replaceAll('\n', '\r\n')],
  ['CR', SRT.replaceAll('\n', '\r')],
  ['UTF-16 LE', Buffer.from(`\ufeff${SRT}`, 'utf16le')],
  ['UTF-16 BE', Buffer.from(`\ufeff${SRT}`, 'utf16le').swap16()],
  ['UTF-16 LE without a mark', Buffer.from(SRT, 'utf16le')],
  ['Latin-1', Buffer.from(SRT, 'latin1')],
  ['no numbers', SRT.replace('1\n', '').replace('\n2\n', '\n')],
])('SRT in any encoding: %s', async (name, content) => {
  const notes: string[] = [];
  const { cues, problems } = await readCues(file('a.srt', content), undefined, (note) => notes.push(note));
  expect({ cues, problems }).toEqual({ cues: CUES, problems: [] });
  expect(notes).toEqual(
    name === 'Latin-1' ? [`${join(folder, 'a.srt')}: is not UTF-8; read as Latin-1 (Windows-1252)`] : [],
  );
});

test('WebVTT: settings, identifiers, notes and styles; lines that roll on are read once', async () => {
  const vtt =
    'WEBVTT - talk\nKind: captions\n\nNOTE 00:01.000 --> 00:02.000\nno\n\nSTYLE\n::cue {}\n\nintro 1\n' +
    '00:01.000 --> 00:02.500 align:start\n<v Anna>Hello\n\nlost\n\n1:00:00.000 --> 1:00:01.000\n- Two\n\n00:03 --> 00:0x\nno';
  expect(await readCues(file('a.vtt', vtt), undefined)).toEqual({
    tier: '',
    cues: [
      { number: 1, start: 1, end: 2.5, text: '<v Anna>Hello' },
      { number: 2, start: 3600, end: 3601, text: '- Two' },
    ],
    problems: [
      'text without times after cue 1: "lost"; left out',
      'cue 3: found the times "00:03 --> 00:0x"; expected 00:01:02,500 --> 00:01:05,000; left out',
    ],
  });
  const rolling =
    'WEBVTT\n\n00:00.000 --> 00:02.000\n \nso<00:00:00.500><c> today</c>\n\n00:02.000 --> 00:02.010\nso today\n \n\n' +
    '00:02.010 --> 00:04.000\nso today\nwe<00:00:03.000><c> talk</c>\n';
  expect((await readCues(file('b.vtt', rolling), undefined)).cues.map(({ text }) => text)).toEqual([
    'so today',
    'we talk',
  ]);
});

const INTERVALS: readonly (readonly [number, number, string])[] = [
  [0, 1.5, ''],
  [1.5, 2.25, 'He said "hi".'],
  [2.25, 4, 'zwei\nZeilen'],
];
const LONG_GRID = `File type = "ooTextFile"
Object class = "TextGrid"

xmin = 0
xmax = 4
tiers? <exists>
size = 2
item []:
    item [1]:
        class = "IntervalTier"
        name = "words 1"
        xmin = 0
        xmax = 4
        intervals: size = 3
${INTERVALS.map(([from, to, text], i) => `        intervals [${i + 1}]:\n            xmin = ${from}\n            xmax = ${to}\n            text = "${text.replaceAll('"', '""')}"`).join('\n')}
    item [2]:
        class = "TextTier"
        name = "clicks"
        xmin = 0
        xmax = 4
        points: size = 1
        points [1]:
            number = 1.5
            mark = "x"
`;
const SHORT_GRID = `File type = "ooTextFile"\nObject class = "TextGrid"\n\n0\n4\n<exists>\n1\n"IntervalTier"\n"words 1"\n0\n4\n3\n${INTERVALS.map(([from, to, text]) => `${from}\n${to}\n"${text.replaceAll('"', '""')}"`).join('\n')}\n`;

test.each([
  ['long', LONG_GRID],
  ['short', SHORT_GRID],
  ['UTF-16', Buffer.from(`\ufeff${LONG_GRID}`, 'utf16le').swap16()],
])('TextGrid: %s', async (_, content) => {
  const expected = [
    { number: 2, start: 1.5, end: 2.25, text: 'He said "hi".' },
    { number: 3, start: 2.25, end: 4, text: 'zwei\nZeilen' },
  ];
  const path = file('a.TextGrid', content);
  expect((await readCues(path, undefined)).cues).toEqual(expected);
  expect((await readCues(path, 'words 1')).cues).toEqual(expected);
  await expect(readCues(path, 'words')).rejects.toThrow(
    'a.TextGrid: found no tier "words"; expected one of "words 1" (2)',
  );
});

const EAF = `<?xml version="1.0" encoding="UTF-8"?>
<ANNOTATION_DOCUMENT FORMAT="3.0" VERSION="3.0"><TIME_ORDER>
<TIME_SLOT TIME_SLOT_ID="ts1" TIME_VALUE="1500"/><TIME_SLOT TIME_SLOT_ID="ts2" TIME_VALUE="2250"/><TIME_SLOT TIME_SLOT_ID="ts3"/>
</TIME_ORDER>
<TIER LINGUISTIC_TYPE_REF="default-lt" TIER_ID="K-Spch">
<ANNOTATION><ALIGNABLE_ANNOTATION ANNOTATION_ID="a1" TIME_SLOT_REF1="ts1" TIME_SLOT_REF2="ts2"><ANNOTATION_VALUE>so &amp; so</ANNOTATION_VALUE></ALIGNABLE_ANNOTATION></ANNOTATION>
<ANNOTATION><ALIGNABLE_ANNOTATION ANNOTATION_ID="a2" TIME_SLOT_REF1="ts2" TIME_SLOT_REF2="ts3"><ANNOTATION_VALUE>lost</ANNOTATION_VALUE></ALIGNABLE_ANNOTATION></ANNOTATION>
</TIER>
<TIER LINGUISTIC_TYPE_REF="tr" PARENT_REF="K-Spch" TIER_ID="German">
<ANNOTATION><REF_ANNOTATION ANNOTATION_ID="a3" ANNOTATION_REF="a1"><ANNOTATION_VALUE>so und so</ANNOTATION_VALUE></REF_ANNOTATION></ANNOTATION>
<ANNOTATION><REF_ANNOTATION ANNOTATION_ID="a4" ANNOTATION_REF="a4"><ANNOTATION_VALUE>circle</ANNOTATION_VALUE></REF_ANNOTATION></ANNOTATION>
</TIER></ANNOTATION_DOCUMENT>`;

test('ELAN: tiers by name; a translation has the times of what it translates', async () => {
  const path = file('a.eaf', EAF);
  expect(await readCues(path, 'K-Spch')).toMatchObject({
    cues: [{ number: 1, start: 1.5, end: 2.25, text: 'so & so' }],
    problems: ['annotation 2 (a2): it has no times; left out'],
  });
  expect(await readCues(path, 'German')).toMatchObject({
    cues: [{ number: 1, start: 1.5, end: 2.25, text: 'so und so' }],
    problems: ['annotation 2 (a4): it refers to itself; left out'],
  });
  await expect(readCues(path, undefined)).rejects.toThrow(
    'a.eaf: found 2 tiers; expected --tier with one of "K-Spch" (1), "German" (1)',
  );
});

test.each([
  ['x.srt', '', 'found no text in a .srt; expected subtitles'],
  ['x.srt', 'Hello world', 'found "Hello world"… in a .srt; expected subtitles'],
  [
    'x.srt',
    new Uint8Array([137, 80, 78, 71, 0, 1, 2, 200]),
    'found bytes that are no text in UTF-8, UTF-16 or Latin-1; expected',
  ],
  ['x.TextGrid', SHORT_GRID.slice(0, -30), 'found a TextGrid that is cut off; expected a TextGrid of Praat'],
  [
    'x.TextGrid',
    'File type = "ooTextFile"\nObject class = "Pitch"\n',
    'found an object of class "Pitch"; expected a TextGrid',
  ],
  [
    'x.eaf',
    EAF.slice(0, 700),
    /:\d+: found damaged XML \(unclosed tag: [A-Z_]+\); expected an annotation of ELAN/,
  ],
  ['x.eaf', '<?xml version="1.0"?><html/>', 'found XML of "html"; expected an annotation of ELAN'],
  [
    'x.eaf',
    '<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b "bbbbbbbb"><!ENTITY c "&b;&b;">]><ANNOTATION_DOCUMENT>&c;</ANNOTATION_DOCUMENT>',
    /found damaged XML \(undefined entity/,
  ],
])('what cannot be read is one line: %s %#', async (name, content, line) => {
  await expect(readCues(file(name, content), undefined)).rejects.toThrow(line);
});

test.each([
  ['- Hello!\n- Hi.', 'Hello! Hi.', []],
  ['<i>Well</i>, {\\an8}5 &lt; 6&nbsp;&amp; so', 'Well, 5 < 6 & so', []],
  ['ANNA: I know. - You do?', 'I know. You do?', []],
  ['>> MAN 2: yes', 'yes', []],
  ['Note: this stays. At 10:30', 'Note: this stays. At 10:30', []],
  ['[Musik]', '', ['[Musik]']],
  ['[Ap-\nplaus] Danke.', 'Danke.', ['[Ap- plaus]']],
  ['(laughs)\nIn 1998 (or so).', 'In 1998 (or so).', ['(laughs)']],
  ['♪ la la ♪', '', ['♪']],
  ['-5 degrees', '-5 degrees', []],
  ['…', '', []],
])('a cue without what nobody says: %j', (raw, text, notes) => {
  expect(cleanCue(raw)).toEqual({ text, notes });
});

test.each([
  ['He went.', 'He', 'en', true],
  ['He went', 'home.', 'en', false],
  ['He said “go!”', 'And', 'en', true],
  ['I met Mr.', 'Smith', 'en', false],
  ['so he…', 'went', 'en', false],
  ['so he...', 'Then', 'en', true],
  ['他走了。', '他', 'zh', true],
  ['क्या यह है।', 'हाँ', 'hi', true],
  ['هل ذهب؟', 'نعم', 'ar', true],
  ['Τι κάνεις;', 'Καλά', 'el', true],
  ['one;', 'two', 'en', false],
])('%s ends a sentence: %#', (text, next, language, ends) => {
  expect(endsSentence(text, next, language)).toBe(ends);
});

const cuesOf = (language: string, ...rows: readonly (readonly [number, number, string])[]): SubtitlesIn => ({
  file: `talk.${language}.srt`,
  language,
  cues: rows.map(([start, end, text], i) => ({ number: i + 1, start, end, text })),
  problems: [],
});
const OPTIONS: SegmentOptions = { language: 'en', max: 30, duration: 1000 };
const shown = (files: readonly SubtitlesIn[], options: Partial<SegmentOptions> = {}) => {
  const { clips, problems } = segmentRecording(files, { ...OPTIONS, ...options });
  return { clips: clips.map(({ start, end, texts }) => [start, end, ...texts.values()]), problems };
};

test('cues are joined to sentences, never across a long gap, and cut at cues where they would be too long', () => {
  const talk = cuesOf(
    'en',
    [1, 3, 'He went'],
    [3, 5, 'home. Then'],
    [5.5, 7, 'he slept.'],
    [9, 10, 'And'],
    [13, 14, 'more'],
    [14, 15, 'of it'],
  );
  expect(shown([talk])).toEqual({
    clips: [
      [1, 7, 'He went home. Then he slept.'],
      [9, 10, 'And'],
      [13, 15, 'more of it'],
    ],
    problems: [],
  });
  const long = segmentRecording([talk], { ...OPTIONS, max: 5 });
  expect(long.clips.map(({ start, end }) => [start, end])).toEqual([
    [1, 5],
    [5.5, 7],
    [9, 10],
    [13, 15],
  ]);
  expect(long.cut).toBe(1);
});

test('times that cannot be are a line each, with the number of the cue', () => {
  const talk = cuesOf(
    'en',
    [-1, 1, 'Aa.'],
    [2, 2, 'Ba.'],
    [4, 3, 'Ca.'],
    [8, 10, 'Da.'],
    [9, 11, 'Ea.'],
    [6, 7, 'Fa.'],
    [12, 50, 'Ga.'],
    [60, 61, 'Ha.'],
  );
  expect(shown([talk], { duration: 40 })).toEqual({
    clips: [
      [6, 7, 'Fa.'],
      [8, 11, 'Da. Ea.'],
      [12, 40, 'Ga.'],
    ],
    problems: [
      'talk.en.srt: cue 1: found a beginning at -1 s; left out',
      'talk.en.srt: cue 2: found an end at 2 s, its beginning; left out',
      'talk.en.srt: cue 3: found an end at 3 s, before its beginning at 4 s; left out',
      'talk.en.srt: cue 5: found a beginning at 9 s, before the end of cue 4 at 10 s; joined with it',
      'talk.en.srt: cue 6: found a beginning at 6 s, before that of cue 5 at 9 s; put in order',
      'talk.en.srt: cue 7: found an end at 50 s, in a recording of 40 s; ends with it',
      'talk.en.srt: cue 8: found a beginning at 60 s, in a recording of 40 s; left out',
    ],
  });
  expect(shown([cuesOf('en', [0, 40, 'Long.'], [41, 42, 'Short.'])])).toEqual({
    clips: [[41, 42, 'Short.']],
    problems: ['talk.en.srt: cue 1: found 40 s; expected at most 30 s; left out'],
  });
});

test('languages are aligned by time: a clip ends where sentences of all of them end', () => {
  const en = cuesOf('en', [1, 3, 'He went home.'], [3, 5, 'Then he slept.'], [6, 8, 'It was late.']);
  const de = cuesOf(
    'de',
    [1, 3.1, 'Er ging heim, und'],
    [3.1, 5, 'dann schlief er.'],
    [6.2, 8, 'Es war spät.'],
  );
  const zh = cuesOf('zh', [1, 5, '他回家睡觉'], [6, 7, '很'], [7, 8, '晚']);
  expect(shown([en, de, zh])).toEqual({
    clips: [
      [1, 5, 'He went home. Then he slept.', 'Er ging heim, und dann schlief er.', '他回家睡觉'],
      [6, 8, 'It was late.', 'Es war spät.', '很晚'],
    ],
    problems: [],
  });
});

test('what does not align is said and left out, not given to a clip as half a sentence', () => {
  const en = cuesOf('en', [1, 3, 'One.'], [8, 10, 'Two.'], [14, 15, 'Three.']);
  const de = cuesOf('de', [1, 3, 'Eins.'], [7, 9, 'Zwei'], [9, 15, 'und drei.'], [20, 22, 'Vier.']);
  expect(shown([en, de])).toEqual({
    clips: [
      [1, 3, 'One.', 'Eins.'],
      [8, 10, 'Two.'],
      [14, 15, 'Three.'],
    ],
    problems: [
      'talk.de.srt: cue 3: found no clip at 9 to 15 s that most of it lies in; left out',
      'talk.de.srt: cue 4: found no clip at 20 to 22 s that most of it lies in; left out',
    ],
  });
});

test('from recordings to a manifest whose rows are heard', async () => {
  const sound = new Float32Array(16_000 * 20).map((_, i) => Math.floor(i / 16_000) / 32);
  const talk = file('talk.wav', wavBytes(sound));
  const other = file('other.wav', wavBytes(sound));
  const settings: SegmentSettings = {
    recordings: [talk, other],
    subtitles: [
      file('talk.en.srt', '1\n00:00:02,000 --> 00:00:04,000\nHello.\n'),
      file('talk.pt-BR.srt', '1\n00:00:02,000 --> 00:00:04,000\nOlá.\n'),
      file('lone.srt', SRT),
    ],
    from: 'en',
    ...{ max: 30, set: 'train' },
  };
  const counts: SegmentCounts = {
    ...{ recordings: 0, clips: 0, seconds: 0, cues: 0, used: 0, cut: 0, failed: 0 },
    ...{ soundNotes: new Map(), texts: new Map() },
  };
  const problems: string[] = [];
  const clips: CorpusClip[] = [];
  for await (const clip of segmentRecordings(settings, counts, (line) =>
    problems.push(line.replaceAll(`${folder}/`, '')),
  )) {
    clips.push(clip);
  }
  expect(problems).toEqual([
    'lone.srt: found no recording of that name; expected one such as talk for talk.de.srt',
    'other.wav: found no subtitles of it; expected other.srt or the like',
  ]);
  await writeManifest(join(folder, 'clips.tsv'), clips);
  const [row] = await readManifest(join(folder, 'clips.tsv'));
  expect(row).toMatchObject({
    language: 'en',
    set: 'train',
    key: 'talk-1',
    text: 'Hello.',
    translations: { 'pt-BR': 'Olá.' },
    duration: 2,
  });
  expect(await readAudio(row!.audio)).toEqual((await readAudio(talk)).slice(32_000, 64_000));
});
