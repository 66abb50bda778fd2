/** Each corpus in its own layout: what becomes of its rows, and what is said of those that cannot be used. */
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import {
  put,
  putRecording,
  tarOf,
  writeAudioFolder,
  writeCommonVoice,
  writeCommonVoiceArchive,
  writeEuroparlSt,
  writeFolderOfTexts,
  writeKaldi,
  writeMls,
  writeMustC,
  writeParquet,
  writeVoxpopuli,
  writeWebdataset,
} from '../testing/corpus-fixtures.ts';
import { type ReadCorpus, readCorpus } from '../testing/read-corpus.ts';
import { CORPORA, corpusNamed, recogniseCorpus } from './corpora.ts';
import type { CorpusOptions } from './corpus.ts';
import { expandPattern } from './patterns.ts';

/** To look at the corpora by hand. */
const kept = process.env.CORPORA_FOLDER;
const folder = kept ?? mkdtempSync(join(tmpdir(), 'known-corpora-'));
mkdirSync(folder, { recursive: true });
afterAll(() => kept === undefined && rmSync(folder, { recursive: true }));

/** Reads a corpus, which must be recognised as what it is. Paths are relative to the folder of the test. */
async function read(name: string, source: string, options: CorpusOptions = {}): Promise<ReadCorpus> {
  const path = join(folder, source);
  expect((await recogniseCorpus(path)).name).toBe(name);
  const { clips, ...rest } = await readCorpus(corpusNamed(name)!, [path], options, folder);
  return { ...rest, clips: clips.map((clip) => ({ ...clip, audio: clip.audio.replace(`${folder}/`, '') })) };
}

test('Common Voice: train, dev and test unless others are named; speakers, domains and lengths', async () => {
  writeCommonVoice(folder);
  const place = 'cv-corpus-21.0-2025-03-14/sv-SE';
  const { clips, skipped } = await read('common-voice', 'cv-corpus-21.0-2025-03-14');
  expect(clips).toEqual([
    {
      audio: `${place}/clips/common_voice_sv-SE_1.mp3`,
      language: 'sv',
      set: 'train',
      key: 's1',
      text: 'Hej "du".',
      speaker: 'c1',
      duration: 2.22,
      other: { sentence_domain: 'general', gender: 'female_feminine', age: 'twenties' },
    },
    expect.objectContaining({ audio: `${place}/clips/common_voice_sv-SE_2.mp3`, key: 's1', speaker: 'c2' }),
  ]);
  expect(skipped).toEqual([
    `${place}/dev.tsv:2: another number of columns: found 14; expected 13 as in the header`,
    `${place}/dev.tsv:3: no recording: "common_voice_sv-SE_9.mp3" in ${place}/clips`,
  ]);
  const { clips: validated } = await read('common-voice', place, { sets: ['validated'] });
  expect(validated.map(({ set, key }) => [set, key])).toEqual([['validated', 's1']]);
  await expect(read('common-voice', place, { sets: ['other'] })).rejects.toThrow(
    /other\.tsv: found no such file; expected a set of Common Voice: clip_durations\.tsv, dev\.tsv, train\.tsv, validated\.tsv$/,
  );
});

test('Common Voice in its archive: read where it is, in its order', async () => {
  const archive = await writeCommonVoiceArchive(folder);
  const { clips, skipped } = await readCorpus(corpusNamed('common-voice')!, [archive], {}, folder);
  expect((await recogniseCorpus(archive)).name).toBe('common-voice');
  const place = `${archive}#cv-corpus-21.0-2025-03-14/sv-SE/clips/common_voice_sv-SE`;
  expect(clips.map(({ audio, speaker }) => [audio, speaker])).toEqual([
    [`${place}_2.mp3`, 'c2'],
    [`${place}_1.mp3`, 'c1'],
  ]);
  expect(skipped).toHaveLength(2);
});

test('MuST-C: segments of talks with their lines; tst-COMMON is test', async () => {
  writeMustC(folder);
  const { clips, skipped } = await read('must-c', 'en-de');
  expect(clips).toEqual([
    {
      audio: 'en-de/data/train/wav/ted_1.wav#t=0.1,1',
      language: 'en',
      set: 'train',
      key: 'ted_1_0',
      text: 'One.',
      translations: { de: 'Eins.' },
      duration: 0.9,
      speaker: 'spk.1',
    },
    expect.objectContaining({
      audio: 'en-de/data/train/wav/ted_1.wav#t=1.25,1.75',
      key: 'ted_1_1',
      text: 'Two.',
    }),
    expect.objectContaining({
      audio: 'en-de/data/tst-COMMON/wav/ted_2.wav#t=0,1',
      set: 'test',
      text: 'Four.',
    }),
  ]);
  expect(skipped).toEqual([
    'en-de/data/train/txt/train.yaml:6: no recording: "ted_767.wav" in en-de/data/train/wav',
  ]);
  put(
    folder,
    'short/en-de/data/dev/txt/dev.yaml',
    '- {duration: 1, offset: 0, wav: a.wav}\n- {duration: 1, offset: 1, wav: a.wav}\n',
  );
  put(folder, 'short/en-de/data/dev/txt/dev.de', 'Eins.\n');
  await expect(read('must-c', 'short')).rejects.toThrow(
    /dev\.de: found 1 lines; expected one for each segment of .*dev\.yaml$/,
  );
});

test('Europarl-ST: segments that several pairs have are one clip', async () => {
  writeEuroparlSt(folder);
  const { clips } = await read('europarl-st', 'v1.1');
  const audio = 'v1.1/en/audios/en.20080924.31.3-243.m4a';
  expect(clips).toEqual([
    {
      audio: `${audio}#t=0.21,1.48`,
      language: 'en',
      set: 'train',
      key: 'en.20080924.31.3-243_0.21',
      text: 'Madam President.',
      translations: { de: 'Frau Präsidentin.', es: 'Señora Presidenta.' },
      duration: 1.27,
      speaker: 'MEP_28115',
    },
    expect.objectContaining({ audio: `${audio}#t=1.48,2`, translations: { de: 'Danke.' } }),
  ]);
});

test('VoxPopuli: in folders of years, and in the archives of the hub', async () => {
  await writeVoxpopuli(folder);
  const id = '20131007-0900-PLENARY-19-en_20131007-21:26:04_3';
  const { clips, skipped } = await read('voxpopuli', 'transcribed_data');
  expect(clips).toEqual([
    {
      audio: `transcribed_data/en/2013/${id}.ogg`,
      language: 'en',
      set: 'train',
      key: id,
      text: 'Thank you, Mr President.',
      speaker: '28115',
      other: { gender: 'female' },
    },
  ]);
  expect(skipped).toEqual([
    'transcribed_data/en/asr_train.tsv:3: no recording: transcribed_data/en/2011/20110101-gone.ogg',
  ]);
  const hub = await read('voxpopuli', 'hub', { from: ['de'] });
  expect(hub.clips.map(({ audio, text, speaker }) => [audio, text, speaker])).toEqual([
    ['hub/data/de/dev/dev_part_0.tar.gz#20120202-b.wav', 'second', undefined],
    ['hub/data/de/dev/dev_part_0.tar.gz#20120202-a.wav', 'First.', '7'],
  ]);
});

test("Multilingual LibriSpeech: speakers and lengths; the book's times are not the recording's", async () => {
  writeMls(folder);
  const { clips, skipped } = await read('mls', 'mls_french_opus');
  expect(clips).toEqual([
    {
      audio: 'mls_french_opus/train/audio/4800/10003/4800_10003_000000.opus',
      language: 'fr',
      set: 'train',
      key: '4800_10003_000000',
      text: 'oui je viens',
      speaker: '4800',
      duration: 2.25,
    },
    expect.objectContaining({ key: '4800_10003_000001', text: 'non', duration: expect.closeTo(1.49) }),
  ]);
  expect(skipped).toEqual([
    'mls_french_opus/train/transcripts.txt:3: no recording: mls_french_opus/train/audio/1474/5417/1474_5417_000002.flac or .opus',
  ]);
});

test('Kaldi: segments, speakers, translations; commands are refused', async () => {
  writeKaldi(folder);
  const { clips, skipped } = await read('kaldi', 'data', { from: ['en'] });
  expect(clips).toEqual([
    { audio: 'audio/talk-1.flac', language: 'en', set: 'dev', key: 'b', text: 'two', translations: {} },
    {
      audio: 'audio/talk-1.flac#t=0.1,1.2',
      language: 'en',
      set: 'train',
      key: 'sw1_000010-000120',
      text: 'HI UM YEAH',
      translations: { de: 'HALLO JA' },
      duration: 1.0999999999999999,
      speaker: '2001-A',
    },
    expect.objectContaining({ audio: 'audio/talk-1.flac#t=1.2', text: 'OKAY' }),
  ]);
  expect(skipped.toSorted()).toEqual([
    'data/dev/wav.scp:2: no recording: audio/gone.flac',
    'data/train/segments:4: not in wav.scp: "sw3"',
    'data/train/text:3: not in segments: "sw9"',
    'data/train/wav.scp:2: a command instead of a file: "sph2pipe -f wav -p -c 1 /x/sw2.sph |"; expected its output as a file',
  ]);
  await expect(read('kaldi', 'data')).rejects.toThrow(
    /^--from: found nothing; expected the language spoken, as .*data\/dev \(it has no utt2lang\) does not say it$/,
  );
});

test('Lhotse: cuts, and supervisions with their recordings; channels of several are left out', async () => {
  const audio = putRecording(folder, 'talks/1.flac');
  const recording = (more: object = {}) => ({
    ...{
      id: 'r1',
      sources: [{ type: 'file', channels: [0], source: audio }],
      sampling_rate: 16_000,
      num_samples: 35_520,
    },
    ...{ duration: 2.22, channel_ids: [0], ...more },
  });
  const supervision = (more: object = {}) => ({
    ...{
      id: 's1',
      recording_id: 'r1',
      start: 0,
      duration: 2.22,
      channel: 0,
      text: 'One.',
      language: 'English',
      speaker: 'anna',
    },
    ...more,
  });
  const cut = (more: object = {}) => ({
    ...{ id: 'c1', start: 0.5, duration: 1.5, channel: 0, recording: recording(), type: 'MonoCut' },
    ...{
      supervisions: [
        supervision({ start: 0.25, duration: 1, custom: { translated_text: { deu: 'Eins.' } } }),
      ],
      ...more,
    },
  });
  const lines = (...objects: object[]) => objects.map((one) => `${JSON.stringify(one)}\n`).join('');
  const stereo = recording({
    id: 'r2',
    sources: [{ type: 'file', channels: [0, 1], source: audio }],
    channel_ids: [0, 1],
  });
  put(
    folder,
    'lhotse/cuts_train.jsonl',
    lines(
      cut(),
      cut({ type: 'MixedCut' }),
      cut({ supervisions: [] }),
      cut({ recording: stereo }),
      cut({ recording: recording({ sources: [{ type: 'command', channels: [0], source: 'cat x' }] }) }),
    ),
  );
  const cuts = await read('lhotse', 'lhotse');
  expect(cuts.clips).toEqual([
    {
      audio: 'talks/1.flac#t=0.75,1.75',
      language: 'en',
      set: 'train',
      key: 's1',
      text: 'One.',
      translations: { de: 'Eins.' },
      duration: 1,
      speaker: 'anna',
    },
  ]);
  expect(cuts.skipped).toEqual([
    'lhotse/cuts_train.jsonl:2: a cut that is mixed or padded (MixedCut)',
    'lhotse/cuts_train.jsonl:3: no supervision',
    'lhotse/cuts_train.jsonl:4: a channel of several',
    'lhotse/cuts_train.jsonl:5: a recording that is no file (command)',
  ]);
  put(folder, 'pairs/x_recordings_dev.jsonl', lines(recording(), stereo));
  put(
    folder,
    'pairs/x_supervisions_dev.jsonl',
    lines(
      supervision(),
      supervision({ recording_id: 'r2' }),
      supervision({ recording_id: 'r9' }),
      supervision({ start: 'x' }),
    ),
  );
  const pairs = await read('lhotse', 'pairs');
  expect(pairs.clips).toMatchObject([{ audio: 'talks/1.flac', set: 'dev', duration: 2.22 }]);
  expect(pairs.skipped).toEqual([
    'pairs/x_supervisions_dev.jsonl:2: a channel of several',
    'pairs/x_supervisions_dev.jsonl:3: not in the recordings: "r9"',
    'pairs/x_supervisions_dev.jsonl:4: times that are none',
  ]);
});

test('WebDataset: members of one name are a sample; shards by a pattern', async () => {
  await writeWebdataset(folder);
  const { clips, skipped } = await read('webdataset', 'shards', { from: ['en'] });
  expect(clips).toEqual([
    {
      audio: 'shards/train-000000.tar#a/0001.flac',
      language: 'en',
      set: 'train',
      key: 'a/0001',
      text: 'One.',
      translations: { de: 'Eins.\n' },
      duration: 2.2,
      speaker: 'anna',
    },
    expect.objectContaining({ audio: 'shards/train-000000.tar#b/0001.v2.wav', key: 'b/0001', text: 'Two.' }),
    expect.objectContaining({ audio: 'shards/train-000001.tar.gz#0009.opus', key: '0009', text: 'Nine.' }),
  ]);
  expect(skipped).toEqual([
    'shards/train-000000.tar, sample a/0002: no recording',
    'shards/train-000000.tar, sample b/0003: no JSON object beside it',
  ]);
  const whole = await tarOf({ 'a.flac': 0, 'a.txt': 'A.', 'b.flac': 1, 'b.txt': 'B.', 'c.flac': 2 });
  put(folder, 'cut/train-0.tar', whole.subarray(0, whole.length - 3000));
  const cut = await read('webdataset', 'cut', { from: ['en'] });
  expect(cut.clips).toMatchObject([{ key: 'a', text: 'A.' }]);
  expect(cut.skipped).toEqual([
    expect.stringMatching(
      /^cut\/train-0\.tar: an archive that is cut off or damaged: found the member "c\.flac" cut off: \d+ of \d+ bytes;/,
    ),
    'cut/train-0.tar, sample b: the last one of a cut-off archive',
  ]);
  const at = (name: string) => join(folder, 'shards', name);
  expect(await expandPattern(at('train-{000000..000002}.tar'))).toEqual(
    ['000000', '000001', '000002'].map((number) => at(`train-${number}.tar`)),
  );
  expect(await expandPattern(at('*-00000?.{tar,tar.gz}'))).toEqual([
    at('train-000000.tar'),
    at('train-000001.tar.gz'),
  ]);
  await expect(expandPattern(at('dev-*.tar'))).rejects.toThrow(/found no file of this pattern/);
  await expect(expandPattern(at('x-{0..999999999}.tar'))).rejects.toThrow(/more than 100000 names/);
});

test('a folder of recordings with texts beside them', async () => {
  writeFolderOfTexts(folder);
  const { clips, skipped } = await read('folder', 'own', { from: ['en'] });
  expect(clips.map(({ key, set, text, translations }) => [key, set, text, translations])).toEqual([
    ['test/b', 'test', 'Two.', {}],
    ['train/a', 'train', 'One.\n', { de: 'Eins.\n' }],
  ]);
  expect(skipped).toEqual(['own/test/c.opus: no text: beside it; expected c.txt']);
});

test('AudioFolder: metadata as CSV and as JSONL, sets by the folders', async () => {
  writeAudioFolder(folder);
  const { clips, skipped } = await read('audiofolder', 'audiofolder', { from: ['en'] });
  expect(clips.map(({ audio, set, text, speaker }) => [audio, set, text, speaker])).toEqual([
    ['audiofolder/train/clips/1.mp3', 'train', 'One, two', undefined],
    ['audiofolder/validation/2.mp3', 'dev', 'Three', '7'],
  ]);
  expect(skipped).toEqual([
    'audiofolder/train/metadata.csv:3: no recording: audiofolder/train/clips/2.mp3',
    'audiofolder/validation/metadata.jsonl:2: no JSON object: "not json"',
  ]);
});

test('a Parquet table: recordings stay in it; structs by dotted names, classes by their names', async () => {
  writeParquet(folder, 'tables/data.parquet');
  const columns = [
    'text=translation.en',
    'text_de=translation.de',
    'lang=:English',
    'speaker=client_id',
    'set=split',
    'licence=:CC0',
  ];
  const { clips } = await read('table', 'tables', { columns });
  const common = { language: 'en', other: { licence: 'CC0' } };
  expect(clips).toEqual([
    {
      ...common,
      audio: 'tables/data.parquet#row=0&column=speech',
      set: 'train',
      key: 'data-0',
      text: 'One.',
      translations: { de: 'Eins.' },
      speaker: 'x',
    },
    {
      ...common,
      audio: 'tables/data.parquet#row=1&column=speech',
      set: 'dev',
      key: 'data-1',
      text: 'Two.',
      translations: { de: 'Zwei.' },
      speaker: 'y',
    },
    {
      ...common,
      audio: 'tables/data.parquet#row=2&column=speech',
      set: 'train',
      key: 'data-2',
      text: 'Three.',
      translations: {},
      speaker: 'x',
    },
  ]);
  // Without a map: the translations by language, and what is said where it is among them.
  const { clips: guessed } = await read('table', 'tables', { from: ['en'] });
  expect(guessed[0]).toMatchObject({ text: '', translations: { en: 'One.', de: 'Eins.' }, set: 'train' });
});

test('tables of one’s own: columns by their names, parts of recordings, other texts', async () => {
  const audio = putRecording(folder, 'mine/1.wav');
  put(
    folder,
    'mine/a.csv',
    'Path;sentence;locale\n'.replace('Path', 'path') +
      `1.wav;"Hello; you";pt_BR\ngone.wav;x;en\nhttps://x/y.wav;x;en\n`,
  );
  put(
    folder,
    'mine/nemo.jsonl',
    `{"audio_filepath": "${audio}", "offset": 0.5, "duration": 1, "text": "part"}\n{"audio_filepath": "1.wav", "duration": 2.2, "text": ["list"]}\n`,
  );
  put(
    folder,
    'mine/list.json',
    '[{"audio": {"path": "1.wav", "bytes": null}, "text": "One", "translation": {"de": "Eins", "zh-CN": "一"}}]',
  );
  put(folder, 'mine/quotes.tsv', 'file\ttext\ttranslation\n1.wav\tsay "no\t"nein\n1.wav\tx\n');
  const csv = await read('table', 'mine/a.csv');
  expect(csv.clips).toEqual([
    { audio: 'mine/1.wav', language: 'pt', set: '', key: '1', text: 'Hello; you', translations: {} },
  ]);
  expect(csv.skipped).toEqual([
    'mine/a.csv:3: no recording: mine/gone.wav',
    'mine/a.csv:4: an address instead of a file: "https://x/y.wav"',
  ]);
  const nemo = await read('table', 'mine/nemo.jsonl', { from: ['en'] });
  expect(nemo.clips).toMatchObject([{ audio: 'mine/1.wav#t=0.5,1.5', duration: 1, text: 'part' }]);
  expect(nemo.skipped).toEqual(['mine/nemo.jsonl:2: a text that is a list or an object']);
  put(folder, 'mine/lengths.csv', 'path,text,start,duration\n1.wav,part,0.5,1\n');
  const lengths = await read('table', 'mine/lengths.csv', { from: ['en'] });
  expect(lengths.clips).toMatchObject([{ audio: 'mine/1.wav#t=0.5,1.5', duration: 1, text: 'part' }]);
  // As in manifests: from 0 to 0 is the whole recording, to 0 its rest.
  put(
    folder,
    'mine/times.csv',
    'path,text,start,end,duration_s\n1.wav,whole,0,0,2.2\n1.wav,blank,,,\n1.wav,rest,0.5,0,\n1.wav,first,,1.5,\n1.wav,wrong,2,1,\n',
  );
  const times = await read('table', 'mine/times.csv', { from: ['en'] });
  expect(times.clips.map(({ audio, duration }) => [audio, duration])).toEqual([
    ['mine/1.wav', 2.2],
    ['mine/1.wav', undefined],
    ['mine/1.wav#t=0.5', undefined],
    ['mine/1.wav#t=0,1.5', 1.5],
  ]);
  expect(times.skipped).toEqual(['mine/times.csv:6: an end before its beginning']);
  const json = await read('table', 'mine/list.json', { from: ['en'] });
  expect(json.clips).toMatchObject([{ audio: 'mine/1.wav', translations: { de: 'Eins', zh: '一' } }]);
  const quotes = await read('table', 'mine/quotes.tsv', { from: ['en'], to: ['de'] });
  expect(quotes.clips).toMatchObject([{ text: 'say "no', translations: { de: '"nein' } }]);
  expect(quotes.skipped).toEqual([
    'mine/quotes.tsv:3: another number of columns: found 2; expected 3 as in the header',
  ]);
});

test.each([
  [['text'], /^--columns: found "text"; expected a column of the manifest and one of the table/],
  [['text_de='], /^--columns: found "text_de="/],
  [['text_qq1=a'], /^--columns: found "text_qq1"; expected a language behind text_/],
  [['text=a', 'text=b'], /^--columns: found "text" twice/],
  [['text=nope'], /a\.csv: found no column "nope" for "text"; expected one of path, sentence, locale$/],
])('a map of columns that is none: %j', async (columns, message) => {
  await expect(read('table', 'mine/a.csv', { columns })).rejects.toThrow(message);
});

test('what is no corpus is said in a line', async () => {
  put(folder, 'nothing/readme.md', 'x');
  await expect(recogniseCorpus(join(folder, 'nothing'))).rejects.toThrow(
    /nothing: found a folder with readme\.md, which is no corpus that is recognised; expected one of fleurs, /,
  );
  await expect(recogniseCorpus(join(folder, 'gone'))).rejects.toThrow(
    /gone: found no such file; expected a corpus/,
  );
  for (const corpus of CORPORA) {
    await expect(readCorpus(corpus, [join(folder, 'gone')], { from: ['en'], clips: folder })).rejects.toThrow(
      /gone: (found no|expected a name)|no such|found a folder/,
    );
  }
});
