/**
 * Damaged corpora: clips or one line, soon, in little memory.
 *   npm run fuzz:corpora: 10,000 of each reader, and of other parts; FUZZ_READER only one of them, FUZZ_SEED repeats one
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { UserError } from '../errors.ts';
import { parquetPatience } from '../files/parquet.ts';
import { below, sfc32 } from '../random.ts';
import {
  put,
  putRecording,
  writeAudioFolder,
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
import { damagedFile } from '../testing/damage.ts';
import { readCorpus } from '../testing/read-corpus.ts';
import { corpusNamed } from './corpora.ts';
import type { CorpusOptions } from './corpus.ts';

const CASES = Number(process.env.FUZZ_FILES ?? 25);
const FIRST_SEED = Number(process.env.FUZZ_SEED ?? 1);
const MAX_MS = 5000;
parquetPatience.ms = 1000;
const MAX_BYTES = 300 * 2 ** 20;

const folder = mkdtempSync(join(tmpdir(), 'fuzz-corpora-'));
afterAll(() => rmSync(folder, { recursive: true }));

interface Reader {
  readonly corpus: string;
  readonly source: string;
  /** Files that are damaged, one at a time. */
  readonly files: readonly string[];
  readonly options?: CorpusOptions;
}

const from = ['en'];
const READERS: Readonly<Record<string, Reader>> = {
  'a table in CSV': {
    corpus: 'audiofolder',
    source: 'audiofolder',
    files: ['audiofolder/train/metadata.csv'],
    options: { from },
  },
  'a table in TSV': { corpus: 'table', source: 't/a.tsv', files: ['t/a.tsv'] },
  'a table in JSON': { corpus: 'table', source: 't/a.json', files: ['t/a.json'], options: { from } },
  'a table in JSONL': { corpus: 'table', source: 't/a.jsonl.gz', files: ['t/a.jsonl.gz'], options: { from } },
  'a table in Parquet': { corpus: 'table', source: 't/a.parquet', files: ['t/a.parquet'], options: { from } },
  'a table with a map of columns': {
    corpus: 'table',
    source: 't/map.jsonl',
    files: ['t/map.jsonl'],
    options: {
      columns: [
        'audio=file.path',
        'text=said',
        'text_de=to.de',
        'lang=:en',
        'start_s=from',
        'end_s=until',
        'x=more',
      ],
    },
  },
  'CoVoST 2': {
    corpus: 'covost',
    source: 'covost_v2.en_de.tsv',
    files: ['covost_v2.en_de.tsv'],
    options: { clips: join(folder, 'talks') },
  },
  FLEURS: {
    corpus: 'fleurs',
    source: 'fleurs',
    files: ['fleurs/en_us/test.tsv'],
    options: { from, to: from },
  },
  'Common Voice in its archive': {
    corpus: 'common-voice',
    source: 'cv-corpus-21.0-2025-03-14-sv-SE.tar.gz',
    files: ['cv-corpus-21.0-2025-03-14-sv-SE.tar.gz'],
  },
  'MuST-C': {
    corpus: 'must-c',
    source: 'en-de',
    files: ['en-de/data/train/txt/train.yaml', 'en-de/data/train/txt/train.de'],
  },
  'Europarl-ST': {
    corpus: 'europarl-st',
    source: 'v1.1',
    files: ['v1.1/en/de/train/segments.lst', 'v1.1/en/de/train/speakers.lst'],
  },
  VoxPopuli: {
    corpus: 'voxpopuli',
    source: 'transcribed_data',
    files: ['transcribed_data/en/asr_train.tsv'],
  },
  'VoxPopuli in archives': {
    corpus: 'voxpopuli',
    source: 'hub',
    files: ['hub/data/de/asr_dev.tsv', 'hub/data/de/dev/dev_part_0.tar.gz'],
  },
  MLS: {
    corpus: 'mls',
    source: 'mls_french_opus',
    files: ['mls_french_opus/train/transcripts.txt', 'mls_french_opus/train/segments.txt'],
  },
  Kaldi: {
    corpus: 'kaldi',
    source: 'data',
    files: ['data/train/wav.scp', 'data/train/segments', 'data/train/text'],
    options: { from },
  },
  Lhotse: {
    corpus: 'lhotse',
    source: 'lhotse',
    files: ['lhotse/cuts.jsonl', 'lhotse/a_recordings.jsonl', 'lhotse/a_supervisions.jsonl'],
    options: { from },
  },
  'texts beside recordings': {
    corpus: 'folder',
    source: 'own',
    files: ['own/train/a.txt', 'own/train/a.de.txt'],
    options: { from },
  },
  WebDataset: {
    corpus: 'webdataset',
    source: 'shards',
    files: ['shards/train-000000.tar', 'shards/train-000001.tar.gz'],
    options: { from },
  },
};

beforeAll(async () => {
  const audio = putRecording(folder, 'talks/1.flac');
  writeAudioFolder(folder);
  put(
    folder,
    't/a.tsv',
    `audio\ttext\tlang\tstart\tend\ttext_de\n${audio}\tOne.\ten\t0.5\t1\tEins.\n${audio}\tTwo.\tde\t0\t1\tZwei.\n`,
  );
  put(
    folder,
    't/a.json',
    JSON.stringify([
      { audio, text: 'One', translation: { de: 'Eins' } },
      { audio: { path: audio }, text: 'Two', duration: 2 },
    ]),
  );
  put(
    folder,
    't/a.jsonl.gz',
    gzipSync(
      `{"audio": "${audio}", "text": "One", "offset": 0.1, "duration": 1}\n{"audio": "${audio}", "text": "Two"}\n`,
    ),
  );
  writeParquet(folder, 't/a.parquet');
  put(
    folder,
    't/map.jsonl',
    `{"file": {"path": "${audio}"}, "said": "One", "to": {"de": "Eins"}, "from": 0.5, "until": 1.5, "more": [1]}\n` +
      `{"file": {"path": "${audio}"}, "said": "Two", "to": {"de": "Zwei"}, "from": 0, "until": 0, "more": null}\n`,
  );
  writeFolderOfTexts(folder);
  put(
    folder,
    'covost_v2.en_de.tsv',
    'path\ttranslation\tsplit\n1.flac\tEins.\ttrain\n1.flac\tZwei "\\"".\ttest\n',
  );
  put(
    folder,
    'fleurs/en_us/test.tsv',
    '1\t1.wav\tOne\tone\to n e\t24000\tMALE\n2\t2.wav\tTwo\ttwo\tt w o\t24000\tFEMALE\n',
  );
  putRecording(folder, 'fleurs/en_us/audio/test/1.wav');
  await writeCommonVoiceArchive(folder);
  writeMustC(folder);
  writeEuroparlSt(folder);
  await writeVoxpopuli(folder);
  writeMls(folder);
  writeKaldi(folder);
  await writeWebdataset(folder);
  const recording = {
    id: 'r',
    sources: [{ type: 'file', channels: [0], source: audio }],
    duration: 2.2,
    channel_ids: [0],
  };
  const supervision = {
    id: 's',
    recording_id: 'r',
    start: 0,
    duration: 1,
    channel: 0,
    text: 'One',
    custom: { translation: { de: 'Eins' } },
  };
  put(
    folder,
    'lhotse/cuts.jsonl',
    `${JSON.stringify({ type: 'MonoCut', start: 0, duration: 2, channel: 0, recording, supervisions: [supervision] })}\n`,
  );
  put(folder, 'lhotse/a_recordings.jsonl', `${JSON.stringify(recording)}\n`);
  put(folder, 'lhotse/a_supervisions.jsonl', `${JSON.stringify(supervision)}\n`);
});

const chosen = process.env.FUZZ_READER;
describe.each(
  Object.entries(READERS).filter(([name]) => chosen === undefined || name === chosen),
)('%s', (_, reader) => {
  test('gives clips or one line', async () => {
    const originals = reader.files.map((file) => readFileSync(join(folder, file)));
    const options = reader.options ?? {};
    const corpus = corpusNamed(reader.corpus)!;
    const source = [join(folder, reader.source)];
    // What is undamaged is read, or the test would prove nothing.
    expect((await readCorpus(corpus, source, options)).clips.length).toBeGreaterThan(0);
    let [read, refused] = [0, 0];
    const before = process.memoryUsage();
    for (let seed = FIRST_SEED; seed < FIRST_SEED + CASES; seed++) {
      const random = sfc32(seed);
      const which = below(originals.length, random);
      const path = join(folder, reader.files[which]!);
      writeFileSync(path, damagedFile(path, originals[which]!, random));
      const start = performance.now();
      try {
        const { clips, skipped } = await readCorpus(corpus, source, options);
        read++;
        for (const line of skipped) if (line.includes('\n')) throw new Error(`several lines: ${line}`);
        for (const { duration = 1, audio } of clips) {
          if (!(duration > 0 && Number.isFinite(duration)) || audio === '')
            throw new Error(`a clip that is none: ${duration} s of ${audio}`);
        }
      } catch (error) {
        if (!(error instanceof UserError) || error.message.includes('\n')) {
          throw new Error(`FUZZ_SEED=${seed}: ${(error as Error).stack}`, { cause: error });
        }
        refused++;
      }
      const took = performance.now() - start;
      const { rss } = process.memoryUsage();
      if (rss - before.rss > MAX_BYTES)
        throw new Error(`FUZZ_SEED=${seed}: ${Math.round((rss - before.rss) / 2 ** 20)} MiB`);
      // Another process may have had the cores.
      if (took > MAX_MS && process.cpuUsage().user > 0 && CASES > 100)
        throw new Error(`FUZZ_SEED=${seed}: ${took} ms`);
      writeFileSync(path, originals[which]!);
    }
    expect(read + refused).toBe(CASES);
    expect(read).toBeGreaterThan(0);
  });
});
