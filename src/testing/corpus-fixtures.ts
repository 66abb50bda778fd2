/**
 * Small corpora in the layouts in which they are published, with recordings of samples/. The header and first rows of each as
 * its own documentation or its loader has them stand above the function that writes it.
 */
import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { ByteWriter, parquetWrite } from 'hyparquet-writer';
import { packTar } from 'modern-tar';

const SAMPLES = fileURLToPath(new URL('../../samples/gcompris/en/', import.meta.url));
/** Recordings of 1.5 to 3 s of a person. */
const RECORDINGS = ['advanced_colors.opus', 'algebra_by.opus', 'algebra_plus.opus'];

const recording = (number = 0): string => join(SAMPLES, RECORDINGS[number % RECORDINGS.length]!);

/** Writes a file, and the folders above it. */
export function put(folder: string, name: string, content: string | Uint8Array): string {
  const path = join(folder, name);
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, content);
  return path;
}

/** Copies a recording; its name may say another format, as the content tells which it is. */
export function putRecording(folder: string, name: string, number = 0): string {
  const path = join(folder, name);
  mkdirSync(dirname(path), { recursive: true });
  copyFileSync(recording(number), path);
  return path;
}

const tsv = (...rows: readonly (readonly string[])[]): string =>
  rows.map((row) => `${row.join('\t')}\n`).join('');

/** A tar of texts and recordings, in this order. */
export async function tarOf(members: Readonly<Record<string, string | number>>): Promise<Uint8Array> {
  return packTar(
    Object.entries(members).map(([name, content]) => {
      const body =
        typeof content === 'number'
          ? new Uint8Array(readFileSync(recording(content)))
          : new TextEncoder().encode(content);
      return { header: { name, size: body.length }, body };
    }),
  );
}

/**
 * Common Voice 21 (Mozilla Data Collective; the columns as in the data sheet of the release, github.com/common-voice/cv-dataset):
 *
 *     client_id path sentence_id sentence sentence_domain up_votes down_votes age gender accents variant locale segment
 *
 * clip_durations.tsv: `clip duration[ms]`.
 */
const COMMON_VOICE_HEADER =
  'client_id path sentence_id sentence sentence_domain up_votes down_votes age gender accents variant locale segment'.split(
    ' ',
  );

function commonVoiceTables(): Record<string, string> {
  const row = (client: string, clip: string, id: string, sentence: string, domain = '') => [
    client,
    `${clip}.mp3`,
    id,
    sentence,
    domain,
    '2',
    '0',
    'twenties',
    'female_feminine',
    '',
    '',
    'sv-SE',
    '',
  ];
  return {
    'train.tsv': tsv(
      COMMON_VOICE_HEADER,
      row('c1', 'common_voice_sv-SE_1', 's1', 'Hej "du".', 'general'),
      row('c2', 'common_voice_sv-SE_2', 's1', 'Hej "du".'),
    ),
    'dev.tsv': tsv(
      COMMON_VOICE_HEADER,
      row('c3', 'common_voice_sv-SE_3', 's2', 'God\tnatt').slice(0, 13),
      row('c3', 'common_voice_sv-SE_9', 's3', 'Borta'),
    ),
    'validated.tsv': tsv(COMMON_VOICE_HEADER, row('c1', 'common_voice_sv-SE_1', 's1', 'Hej "du".')),
    'clip_durations.tsv': tsv(['clip', 'duration[ms]'], ['common_voice_sv-SE_1.mp3', '2220']),
  };
}

export function writeCommonVoice(folder: string): void {
  const locale = 'cv-corpus-21.0-2025-03-14/sv-SE';
  for (const [name, content] of Object.entries(commonVoiceTables()))
    put(folder, `${locale}/${name}`, content);
  for (const number of [1, 2, 3])
    putRecording(folder, `${locale}/clips/common_voice_sv-SE_${number}.mp3`, number);
}

export async function writeCommonVoiceArchive(folder: string): Promise<string> {
  const locale = 'cv-corpus-21.0-2025-03-14/sv-SE';
  const members: Record<string, string | number> = {
    [`${locale}/clips/common_voice_sv-SE_2.mp3`]: 2,
    [`${locale}/clips/common_voice_sv-SE_1.mp3`]: 1,
  };
  for (const [name, content] of Object.entries(commonVoiceTables())) members[`${locale}/${name}`] = content;
  return put(folder, 'cv-corpus-21.0-2025-03-14-sv-SE.tar.gz', gzipSync(await tarOf(members)));
}

/**
 * MuST-C (facebookresearch/fairseq, examples/speech_to_text/prep_mustc_data.py: data/SPLIT/txt/SPLIT.yaml, SPLIT.en, SPLIT.de,
 * data/SPLIT/wav; k2-fsa/icefall quotes the segments):
 *
 *     - {duration: 3.500000, offset: 16.080000, rW: 9, uW: 0, speaker_id: spk.767, wav: ted_767.wav}
 */
export function writeMustC(folder: string): void {
  const segment = (duration: string, offset: string, talk: number) =>
    `- {duration: ${duration}, offset: ${offset}, rW: 9, uW: 0, speaker_id: spk.${talk}, wav: ted_${talk}.wav}\n`;
  const split = (name: string, segments: string, en: string, de: string) => {
    put(folder, `en-de/data/${name}/txt/${name}.yaml`, segments);
    put(folder, `en-de/data/${name}/txt/${name}.en`, en);
    put(folder, `en-de/data/${name}/txt/${name}.de`, de);
  };
  const block = '- duration: 0.5\n  offset: 1.25\n  speaker_id: "spk.1"\n  wav: ted_1.wav\n';
  split(
    'train',
    segment('0.900000', '0.100000', 1) + block + segment('3.500000', '16.080000', 767),
    'One.\nTwo.\nThree.\n',
    'Eins.\nZwei.\nDrei.\n',
  );
  split('tst-COMMON', segment('1.000000', '0.000000', 2), 'Four.\n', 'Vier.\n');
  putRecording(folder, 'en-de/data/train/wav/ted_1.wav');
  putRecording(folder, 'en-de/data/tst-COMMON/wav/ted_2.wav', 1);
}

/**
 * Europarl-ST v1.1 (its README: en/audios, en/es/train/{segments.lst, segments.en, segments.es, speeches.lst, speakers.lst};
 * lines as a loader of it documents them):
 *
 *     en.20080924.31.3-243        (speeches.lst)
 *     en.20080924.31.3-243 0.21 4.98    (segments.lst: speech, start, end)
 */
export function writeEuroparlSt(folder: string): void {
  const segments = 'en.20080924.31.3-243 0.21 1.48\nen.20080924.31.3-243 1.48 2.00\n';
  const pair = (target: string, lines: string, en: string, other: string) => {
    const place = `v1.1/en/${target}/train`;
    put(folder, `${place}/segments.lst`, lines);
    put(folder, `${place}/segments.en`, en);
    put(folder, `${place}/segments.${target}`, other);
    put(folder, `${place}/speeches.lst`, 'en.20080924.31.3-243\n');
    put(folder, `${place}/speakers.lst`, 'MEP_28115\n');
  };
  pair('de', segments, 'Madam President.\nThank you.\n', 'Frau Präsidentin.\nDanke.\n');
  pair('es', segments.split('\n')[0]!, 'Madam President.\n', 'Señora Presidenta.\n');
  putRecording(folder, 'v1.1/en/audios/en.20080924.31.3-243.m4a');
}

/**
 * VoxPopuli (facebookresearch/voxpopuli, voxpopuli/get_asr_data.py):
 *
 *     id raw_text normalized_text speaker_id split gender
 *
 * ID is SESSION-NUMBER and the recording YEAR/ID.ogg. On the hub (facebook/voxpopuli) the recordings are in
 * data/en/train/train_part_0.tar.gz.
 */
const VOXPOPULI_HEADER = ['id', 'raw_text', 'normalized_text', 'speaker_id', 'split', 'gender'];

export async function writeVoxpopuli(folder: string): Promise<void> {
  const id = '20131007-0900-PLENARY-19-en_20131007-21:26:04_3';
  const rows = [
    [id, 'Thank you, Mr President.', 'thank you mr president', '28115', 'train', 'female'],
    ['20110101-gone', '', 'gone', '1', 'train', 'male'],
  ];
  put(folder, 'transcribed_data/en/asr_train.tsv', tsv(VOXPOPULI_HEADER, ...rows)); // few: rows of the fixture
  putRecording(folder, `transcribed_data/en/2013/${id}.ogg`);
  const two = ['20120202-b', '', 'second', 'None', 'dev', 'male'];
  const one = ['20120202-a', 'First.', 'first', '7', 'dev', 'male'];
  put(folder, 'hub/data/de/asr_dev.tsv', tsv(VOXPOPULI_HEADER, one, two));
  put(
    folder,
    'hub/data/de/dev/dev_part_0.tar.gz',
    gzipSync(await tarOf({ '20120202-b.wav': 0, '20120202-a.wav': 1 })),
  );
}

/**
 * Multilingual LibriSpeech (openslr.org/94; lhotse/recipes/mls.py reads transcripts.txt and audio/SPEAKER/BOOK/ID.flac):
 *
 *     4800_10003_000000  text                                     (transcripts.txt)
 *     4800_10003_000000  http://www.archive.org/….mp3  401.76  417.57   (segments.txt)
 */
export function writeMls(folder: string): void {
  const ids = ['4800_10003_000000', '4800_10003_000001', '1474_5417_000002'];
  put(
    folder,
    'mls_french_opus/train/transcripts.txt',
    tsv([ids[0]!, 'oui je viens'], [ids[1]!, 'non'], [ids[2]!, 'absent']),
  );
  put(
    folder,
    'mls_french_opus/train/segments.txt',
    tsv(
      [ids[0]!, 'http://www.archive.org/a.mp3', '401.76', '404.01'],
      [ids[1]!, 'http://www.archive.org/a.mp3', '404.01', '405.5'],
    ),
  );
  for (const id of ids.slice(0, 2)) putRecording(folder, `mls_french_opus/train/audio/4800/10003/${id}.opus`);
}

/**
 * Kaldi (kaldi-asr/kaldi, "Data preparation"):
 *
 *     sw02001-A /home/dpovey/kaldi-trunk/tools/sph2pipe_v2.5/sph2pipe -f wav -p -c 1 /…/sw02001.sph |   (wav.scp)
 *     sw02001-A_000098-001156 sw02001-A 0.98 11.56    (segments)
 *     sw02001-A_000098-001156 HI UM YEAH              (text)
 *     sw02001-A_000098-001156 2001-A                  (utt2spk)
 */
export function writeKaldi(folder: string): void {
  const audio = putRecording(folder, 'audio/talk-1.flac');
  put(folder, 'data/train/wav.scp', `sw1 ${audio}\nsw2 sph2pipe -f wav -p -c 1 /x/sw2.sph |\n`);
  put(
    folder,
    'data/train/segments',
    'sw1_000010-000120 sw1 0.10 1.20\nsw1_000120-000150 sw1 1.20 -1\nsw2_1 sw2 0 1\nsw3_1 sw3 0 1\n',
  );
  put(folder, 'data/train/text', 'sw1_000010-000120 HI UM YEAH\nsw1_000120-000150 OKAY\nsw9 NOBODY\n');
  put(folder, 'data/train/text.de', 'sw1_000010-000120 HALLO JA\n');
  put(folder, 'data/train/utt2spk', 'sw1_000010-000120 2001-A\nsw1_000120-000150 2001-A\n');
  put(folder, 'data/dev/wav.scp', 'b audio/talk-1.flac\na audio/gone.flac\n');
  put(folder, 'data/dev/text', 'a one\nb two\n');
}

/** WebDataset (webdataset/webdataset, README: members of a sample share their path up to the first dot of the file name). */
export async function writeWebdataset(folder: string): Promise<void> {
  const shard = {
    'a/0001.flac': 0,
    'a/0001.json': '{"text": "One.", "lang": "en", "speaker": "anna", "duration": 2.2}',
    'a/0001.de.txt': 'Eins.\n',
    'a/0002.txt': 'no recording',
    'b/0001.v2.wav': 1,
    'b/0001.txt': 'Two.',
    'b/0001.cls': '3',
    'b/0003.json': '{"text": ',
    'b/0003.wav': 2,
  };
  put(folder, 'shards/train-000000.tar', await tarOf(shard));
  put(folder, 'shards/train-000001.tar.gz', gzipSync(await tarOf({ '0009.opus': 0, '0009.txt': 'Nine.' })));
}

/** A folder of one's own. */
export function writeFolderOfTexts(folder: string): void {
  putRecording(folder, 'own/train/a.wav');
  put(folder, 'own/train/a.txt', 'One.\n');
  put(folder, 'own/train/a.de.txt', 'Eins.\n');
  putRecording(folder, 'own/test/b.opus', 1);
  put(folder, 'own/test/b.en.txt', 'Two.');
  putRecording(folder, 'own/test/c.opus', 2);
}

/** AudioFolder (huggingface.co/docs/datasets/audio_dataset: `file_name,transcription`, or metadata.jsonl). */
export function writeAudioFolder(folder: string): void {
  putRecording(folder, 'audiofolder/train/clips/1.mp3');
  put(
    folder,
    'audiofolder/train/metadata.csv',
    'file_name,transcription\nclips/1.mp3,"One, two"\nclips/2.mp3,gone\n',
  );
  putRecording(folder, 'audiofolder/validation/2.mp3', 1);
  put(
    folder,
    'audiofolder/validation/metadata.jsonl',
    '{"file_name": "2.mp3", "transcription": "Three", "speaker_id": 7}\nnot json\n',
  );
}

/** A Parquet table as `datasets` writes it: Audio is a struct of bytes and path, and the footer describes the columns. */
export function writeParquet(folder: string, name: string): string {
  const utf8 = { type: 'BYTE_ARRAY', converted_type: 'UTF8', repetition_type: 'OPTIONAL' } as const;
  const features = {
    speech: { _type: 'Audio' },
    translation: { languages: ['en', 'de'], _type: 'Translation' },
    split: { names: ['train', 'validation'], _type: 'ClassLabel' },
  };
  const writer = new ByteWriter();
  parquetWrite({
    writer,
    rowGroupSize: 2,
    columnData: [
      {
        name: 'speech',
        data: [0, 1, 2].map((i) => ({
          bytes: new Uint8Array(readFileSync(recording(i))),
          path: `${i}.opus`,
        })),
      },
      {
        name: 'translation',
        data: [
          { en: 'One.', de: 'Eins.' },
          { en: 'Two.', de: 'Zwei.' },
          { en: 'Three.', de: '' },
        ],
      },
      { name: 'split', data: [0n, 1n, 0n] },
      { name: 'client_id', data: ['x', 'y', 'x'] },
    ],
    schema: [
      { name: 'root', num_children: 4 },
      { name: 'speech', num_children: 2, repetition_type: 'OPTIONAL' },
      { name: 'bytes', type: 'BYTE_ARRAY', repetition_type: 'OPTIONAL' },
      { name: 'path', ...utf8 },
      { name: 'translation', num_children: 2, repetition_type: 'OPTIONAL' },
      { name: 'en', ...utf8 },
      { name: 'de', ...utf8 },
      { name: 'split', type: 'INT64', repetition_type: 'OPTIONAL' },
      { name: 'client_id', ...utf8 },
    ],
    kvMetadata: [{ key: 'huggingface', value: JSON.stringify({ info: { features } }) }],
  });
  return put(folder, name, new Uint8Array(writer.getBuffer()));
}
