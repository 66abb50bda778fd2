/** Shards of `evaluate`: rounds of clips, decoded by one model with its prompts. Scores are the coordinator's. */
import { resolve } from 'node:path';
import { resolveReference } from '../audio/audio-reference.ts';
import type { DecodeElsewhere } from '../evaluation/predict.ts';
import {
  type PredictedClip,
  type RoundClip,
  type RoundOptions,
  RoundPredictor,
  type WrittenDecoding,
} from '../evaluation/predict-round.ts';
import type { PredictedText } from '../evaluation/predictions.ts';
import { WhisperModel } from '../whisper/model.ts';
import { type ClusterOptions, shardResults } from './coordinator.ts';
import type { JobKind } from './kinds.ts';
import { filesOf, withPaths } from './named-files.ts';
import type { FailedRow, Row } from './run.ts';

/** `audio` is an absolute path. */
type EvaluateRow = Row & RoundClip;

export const evaluateShards: JobKind<RoundOptions, EvaluateRow, PredictedClip> = {
  async open(options, { here, model: directory, onNote, onDamage }) {
    const model = await WhisperModel.load(directory);
    const predictor = await RoundPredictor.open(model, {
      ...withRoundPaths(options, here),
      onNote,
      onDamage,
    });
    return async (rows) => {
      const clips = rows.map((row) => ({ ...row, audio: here(row.audio) }));
      const round = await predictor.read(clips);
      const texts = rows.map((): Record<number, PredictedText> => ({}));
      for (const place of options.prompts.keys())
        for (const [i, text] of await round.decode(place)) texts[i]![place] = text;
      return rows.map((_, i): PredictedClip | FailedRow => {
        const error = round.errors.get(i);
        return error === undefined ? { texts: texts[i]!, cut: round.cut.has(i) } : { error };
      });
    };
  },
};

function withRoundPaths(options: RoundOptions, path: (file: string) => string): RoundOptions {
  const { cache, decoding, plainDecoding } = options;
  const written = (one: WrittenDecoding) => ({ ...one, choice: withPaths(one.choice, path) });
  return {
    ...options,
    ...(cache !== undefined && { cache: path(cache) }),
    decoding: written(decoding),
    plainDecoding: written(plainDecoding),
  };
}

/** Has rounds of an evaluation decoded by workers. */
export const evaluatedOnWorkers = (cluster: ClusterOptions): DecodeElsewhere =>
  async function* ({ model, options, rounds, known }, work) {
    const job = {
      ...{ kind: 'evaluate', options: withRoundPaths(options, (file) => resolve(file)), model, known },
      shards: rounds.map((round) =>
        round
          .filter(({ prompts }) => prompts.length > 0)
          .map(
            (clip): EvaluateRow => ({ name: clip.audio, ...clip, audio: resolveReference('', clip.audio) }),
          ),
      ),
      filesOf: ({ audio }: EvaluateRow) => [audio],
      files: filesOf(options.decoding.choice),
    };
    for await (const { shard, result } of shardResults<EvaluateRow, PredictedClip>(cluster, job, work)) {
      let next = 0;
      yield result &&
        rounds[shard]!.map(({ prompts }) => (prompts.length > 0 ? result.results[next++]! : undefined));
    }
  };
