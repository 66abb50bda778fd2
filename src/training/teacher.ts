/** The teacher of a distillation: another Whisper, frozen, whose decoder's weights lie beside the student's. */
import { join } from 'node:path';
import type { HostTensor } from '../backend/runtime.ts';
import type { WhisperDimensions } from '../checkpoint/dimensions.ts';
import { type Json, readJsonIfPresent } from '../checkpoint/directory.ts';
import { dimensionsFromConfig } from '../checkpoint/settings.ts';
import { readTokenizer } from '../checkpoint/tokenizer-files.ts';
import type { Clip } from '../data/clip.ts';
import { UserError } from '../errors.ts';
import { audioBatch } from '../whisper/audio-batch.ts';
import type { EncodedClip } from '../whisper/encoded-clip.ts';
import type { WhisperModel } from '../whisper/model.ts';
import { decoderWeights } from '../whisper/training-graph.ts';
import type { Example } from './batches.ts';

/** Prefix of the names of its weights and inputs. */
export const TEACHER_PREFIX = 'teacher.';

/** Encoder outputs of clips. */
type Encode = (
  clips: readonly Clip[],
) => Promise<readonly { readonly clip: Clip; readonly encoded: EncodedClip }[]>;

export interface Teacher {
  readonly dimensions: WhisperDimensions;
  /** Bytes of its decoder's weights and of its encoder outputs. */
  readonly bytes: number;
  /** Inputs with its encoder outputs of a batch's clips; absent where it shares the student's (frozen) encoder. */
  readonly encoderFeeds?: ((examples: readonly Example[]) => Record<string, HostTensor>) | undefined;
}

/**
 * Puts the teacher's decoder into the student's computing thread: `teacher` can be closed afterwards.
 * @param encode the teacher's encoder outputs of clips; called unless it shares the student's encoder
 */
export async function createTeacher(
  student: WhisperModel,
  teacher: WhisperModel,
  examples: readonly Example[],
  { tunesEncoder, encode }: { tunesEncoder: boolean; encode: Encode },
): Promise<Teacher> {
  const { dimensions } = teacher;
  const sharesEncoder =
    !tunesEncoder && (await teacher.encoderFingerprint()) === (await student.encoderFingerprint());
  const encoderFeeds = sharesEncoder ? undefined : await teacherFrames(teacher, examples, encode);
  const names = decoderWeights(dimensions);
  const values = await teacher.runtime.read(names);
  const bytes = values.reduce((sum, { data }) => sum + data.byteLength, 0);
  await student.runtime.store(
    names.map((name, i) => {
      const { shape, data } = values[i]!;
      return [TEACHER_PREFIX + name, { shape, data: data as Float32Array }];
    }),
  );
  return { dimensions, bytes: bytes + (encoderFeeds?.bytes ?? 0), encoderFeeds: encoderFeeds?.feeds };
}

async function teacherFrames(
  teacher: WhisperModel,
  examples: readonly Example[],
  encode: Encode,
): Promise<{ feeds: NonNullable<Teacher['encoderFeeds']>; bytes: number }> {
  const pairs = await encode([...new Set(examples.map(({ source }) => source!))]);
  const encodedOf = new Map(pairs.map(({ clip, encoded }) => [clip, encoded]));
  const tails = await teacher.silenceTailsFor([...encodedOf.values()]);
  return {
    bytes: pairs.reduce((sum, { encoded }) => sum + encoded.frames.byteLength, 0),
    feeds: (batch) => {
      const clips = batch.map(({ source }) => encodedOf.get(source!)!);
      const { frames, frameBias } = audioBatch(clips, tails);
      return { [`${TEACHER_PREFIX}frames`]: frames, [`${TEACHER_PREFIX}frameBias`]: frameBias };
    },
  };
}

/**
 * Logits are compared token by token. Reads the teacher's settings only.
 * @throws UserError where the folder is no Whisper, or its vocabulary is not the student's
 */
export async function checkTeacher(student: WhisperModel, directory: string): Promise<void> {
  const file = join(directory, 'config.json');
  const config = await readJsonIfPresent(file);
  if (!config) throw new UserError(`${directory}: expected a Whisper model directory, found no config.json`);
  const ours = student.dimensions.vocabulary;
  const theirs = dimensionsFromConfig(config, file).vocabulary;
  if (ours !== theirs) {
    throw new UserError(
      `${directory}: a teacher of ${theirs} tokens; expected one of ${ours}, as ${student.directory} has`,
    );
  }
  const { file: theirFile, tokenizer } = await readTokenizer(directory);
  const our = vocabularyOf(student.settings.tokenizer);
  const their = vocabularyOf(tokenizer);
  const different = [...our].find(([id, token]) => their.get(id) !== token);
  if (different) {
    const [id, token] = different;
    throw new UserError(
      `${theirFile}: token ${id} is ${JSON.stringify(their.get(id))}; expected ${JSON.stringify(token)}, ` +
        "the student's: a teacher must have its vocabulary",
    );
  }
}

/** Token by id. */
function vocabularyOf(tokenizer: Json): Map<number, string> {
  const { model, added_tokens } = tokenizer as {
    model?: { vocab?: Record<string, number> };
    added_tokens?: { id: number; content: string }[];
  };
  return new Map([
    ...Object.entries(model?.vocab ?? {}).map(([token, id]): [number, string] => [id, token]),
    ...(added_tokens ?? []).map(({ id, content }): [number, string] => [id, content]),
  ]);
}
