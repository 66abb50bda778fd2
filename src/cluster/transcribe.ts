/** Shards of `transcribe` and `translate`: recordings that a single process would read in one round. */
import { resolve } from 'node:path';
import { audioDuration } from '../audio/audio-file.ts';
import { resolveReference } from '../audio/audio-reference.ts';
import { SAMPLE_RATE } from '../audio/sample-rate.ts';
import type { ListedRecording } from '../decoding/resume-transcripts.ts';
import { endsRound } from '../decoding/rounds.ts';
import { type TranscribeFilesOptions, transcribeFiles } from '../decoding/transcribe-files.ts';
import type { FailedTranscript, Transcript } from '../decoding/transcript.ts';
import { inBatches } from '../lists.ts';
import { stageProgress, type WorkOptions } from '../report/progress.ts';
import type { Compute } from '../whisper/compute.ts';
import { WhisperModel } from '../whisper/model.ts';
import { type ClusterOptions, shardResults } from './coordinator.ts';
import type { JobKind } from './kinds.ts';
import { filesOf, withPaths } from './named-files.ts';
import { type FailedRow, isFailed, type Row } from './run.ts';

/** Those that are plain data; files that they name have absolute paths. */
export interface TranscribeShardsOptions {
  readonly compute: Compute;
  readonly transcribe: Omit<
    TranscribeFilesOptions,
    'onProgress' | 'onRead' | 'onSegment' | 'onNote' | 'signal' | 'windows'
  >;
}

export interface TranscribeRow extends Row {
  /** Absolute path. */
  readonly audio: string;
  readonly language?: string | undefined;
}

/** Without the recording, which the row names. */
export type TranscribedRow = Omit<Transcript, 'audio'>;

export const transcribeShards: JobKind<TranscribeShardsOptions, TranscribeRow, TranscribedRow> = {
  async open({ compute, transcribe }, { here, model: directory, onNote }) {
    const options: TranscribeFilesOptions = { ...withAllPaths(transcribe, here), onNote };
    const model = await WhisperModel.load(directory, { compute });
    return async (rows) => {
      const results: (TranscribedRow | FailedRow)[] = [];
      const files = rows.map(({ audio, language }) => ({ audio: here(audio), language }));
      for await (const { audio: _, ...result } of transcribeFiles(model, files, options))
        results.push(result);
      return results;
    };
  },
};

export interface TranscribeJob extends TranscribeShardsOptions {
  /** Folder of the model. */
  readonly model: string;
}

type PlainOptions = TranscribeShardsOptions['transcribe'];

function withAllPaths(options: PlainOptions, path: (file: string) => string): PlainOptions {
  const { speakerModel } = options;
  return {
    ...withPaths(options, path),
    ...(speakerModel !== undefined && { speakerModel: path(speakerModel) }),
  };
}

/** One result for each recording that is not known, in their order. */
export async function* transcribeOnWorkers(
  cluster: ClusterOptions,
  { model, compute, transcribe }: TranscribeJob,
  recordings: readonly ListedRecording[],
  work: WorkOptions,
): AsyncGenerator<Transcript | FailedTranscript, void, undefined> {
  const { task, speakerModel } = transcribe;
  const options = { compute, transcribe: withAllPaths(transcribe, (file) => resolve(file)) };
  const shards = await inShards(recordings, work);
  const job = {
    ...{ kind: 'transcribe', options, model },
    shards: shards.map((some) =>
      some.map(
        ({ audio, language }): TranscribeRow => ({
          name: audio,
          audio: resolveReference('', audio),
          language,
        }),
      ),
    ),
    filesOf: ({ audio }: TranscribeRow) => [audio],
    files: [...filesOf(transcribe), ...(speakerModel === undefined ? [] : [speakerModel])],
    known: (shard: number) => shards[shard]!.every(({ known }) => known),
  };
  const stage = task === 'translate' ? 'translating' : 'transcribing';
  for await (const { shard, result } of shardResults<TranscribeRow, TranscribedRow>(cluster, job, {
    ...work,
    stage,
  })) {
    for (const [i, { audio, known }] of shards[shard]!.entries()) {
      if (known) continue;
      const row = result!.results[i]!;
      yield isFailed(row) ? { audio, error: row.error } : { audio, ...row };
    }
  }
}

const HEADERS_AT_ONCE = 16;

/** As a single process would read them: rounds of so many recordings, or so much audio, by the headers of the files. */
async function inShards(
  recordings: readonly ListedRecording[],
  work: WorkOptions,
): Promise<ListedRecording[][]> {
  const progress = stageProgress(work, 'reading lengths', recordings.length);
  const shards: ListedRecording[][] = [];
  let shard: ListedRecording[] = [];
  let samples = 0;
  let done = 0;
  for (const some of inBatches(recordings, HEADERS_AT_ONCE)) {
    const lengths = await Promise.all(some.map(({ audio }) => audioDuration(audio).catch(() => 0)));
    for (const [i, recording] of some.entries()) {
      shard.push(recording);
      samples += lengths[i]! * SAMPLE_RATE;
      if (!endsRound(shard.length, samples)) continue;
      shards.push(shard);
      shard = [];
      samples = 0;
    }
    done += some.length;
    progress(done);
  }
  if (shard.length > 0) shards.push(shard);
  return shards;
}
