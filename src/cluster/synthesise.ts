/** Shards of `synthesise`: batches of sentences, spoken and read back by a worker, which writes the recordings. */
import { readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { defaultThreads } from '../backend/threads.ts';
import { excerpt, UserError } from '../errors.ts';
import { ENGINES, engineVersions, type Voice } from '../synthesis/engines.ts';
import {
  Recorder,
  type RecorderOptions,
  type Sentence,
  type SynthesisRecord,
  unspoken,
} from '../synthesis/recorder.ts';
import { SpeakingThreads } from '../synthesis/speaking-threads.ts';
import { type RecordElsewhere, readBackModel, SETTINGS_FILE } from '../synthesis/synthesise.ts';
import { type ClusterOptions, shardResults } from './coordinator.ts';
import type { JobKind } from './kinds.ts';
import { isFailed, type Row } from './run.ts';

/** A voice with the name of its engine. */
type NamedVoice = Omit<Voice, 'engine'> & { readonly engine: string };

interface SynthesiseOptions extends Omit<RecorderOptions, 'onSkip' | 'voices'> {
  readonly voices: readonly NamedVoice[];
  /** Versions of the engines: another one may speak otherwise. */
  readonly engines: Readonly<Record<string, string>>;
  /** What the output's settings file holds: who reads it there sees the same folder. */
  readonly settings: string;
}

type SynthesiseRow = Row & Sentence;

interface RecordedRow {
  readonly record: SynthesisRecord;
  /** Why it could not be spoken, one line. */
  readonly reason?: string | undefined;
}

export const synthesiseShards: JobKind<SynthesiseOptions, SynthesiseRow, RecordedRow> = {
  async open({ voices: named, engines, settings, ...options }, { here, model, allowCommands }) {
    const output = here(options.output);
    await checkOutput(output, settings);
    const program = named.find(({ command }) => command !== '');
    if (program && !allowCommands)
      throw new UserError(
        `found a program to run, ${excerpt(program.command)}; expected --allow-commands of this worker, which runs what whoever writes to Redis names`,
      );
    const voices = named.map(
      (voice): Voice => ({ ...voice, engine: ENGINES.find(({ name }) => name === voice.engine)! }),
    );
    const found = engineVersions(voices);
    for (const [name, version] of Object.entries(engines))
      if (found[name] !== version)
        throw new UserError(
          `found ${name} ${found[name] || 'not installed'} here; expected ${version}, as at the coordinator`,
        );
    const check = options.maxErrorRate === undefined ? undefined : await readBackModel(model, options.from);
    const reasons = new Map<number, string>();
    const recorder = new Recorder(
      { ...options, output, voices, onSkip: (reason, row) => reasons.set(row, reason) },
      new SpeakingThreads(defaultThreads()),
      check,
    );
    return async (rows) => {
      reasons.clear();
      const records = await recorder.keep(await recorder.speak(rows));
      return records.map((record) => ({ record, reason: reasons.get(record.row) }));
    };
  },
};

async function checkOutput(output: string, settings: string): Promise<void> {
  const file = join(output, SETTINGS_FILE);
  const found = await readFile(file, 'utf8').catch(() => undefined);
  if (found !== settings)
    throw new UserError(
      `${file}: ${found === undefined ? 'cannot be read here' : 'is another one than that of the coordinator'}; expected the folder --output of the coordinator, at the same path or by --root`,
    );
}

/** Has recordings made by workers, which write them into the output. */
export const recordedOnWorkers = (cluster: ClusterOptions): RecordElsewhere =>
  async function* ({ model, options, batches, known }, { onSkip, ...work }) {
    const { voices } = options;
    const job = {
      ...{ kind: 'synthesise', model, known },
      options: {
        ...options,
        output: resolve(options.output),
        voices: voices.map((voice): NamedVoice => ({ ...voice, engine: voice.engine.name })),
        engines: engineVersions(voices),
        settings: await readFile(join(options.output, SETTINGS_FILE), 'utf8'),
      } satisfies SynthesiseOptions,
      shards: batches.map((batch) =>
        batch.map((sentence): SynthesiseRow => ({ name: excerpt(sentence.text), ...sentence })),
      ),
      filesOf: () => [],
    };
    const results = shardResults<SynthesiseRow, RecordedRow>(cluster, job, {
      ...work,
      stage: 'synthesising',
    });
    for await (const { shard, result } of results) {
      if (!result) continue;
      yield result.results.map((one, i) => {
        const { record, reason } = isFailed(one)
          ? { record: unspoken(batches[shard]![i]!, options), reason: one.error }
          : one;
        if (reason !== undefined) onSkip?.(reason);
        return record;
      });
    }
  };
