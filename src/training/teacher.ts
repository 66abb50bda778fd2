/** The teacher of a distillation: another Whisper, frozen, whose decoder's weights lie beside the student's. */
import { join } from 'node:path';
import type { HostTensor } from '../backend/runtime.ts';
import { whisperTensors } from '../checkpoint/checkpoint.ts';
import type { WhisperDimensions } from '../checkpoint/dimensions.ts';
import { type Json, readJsonIfPresent } from '../checkpoint/directory.ts';
import { dimensionsFromConfig } from '../checkpoint/settings.ts';
import { readTokenizer } from '../checkpoint/tokenizer-files.ts';
import type { Clip } from '../data/clip.ts';
import { UserError } from '../errors.ts';
import { audioBatch } from '../whisper/audio-batch.ts';
import { type EncodedClip, FULL_WINDOW_POSITIONS } from '../whisper/encoded-clip.ts';
import type { WhisperModel } from '../whisper/model.ts';
import { decoderWeights } from '../whisper/training-graph.ts';
import type { Example } from './batches.ts';

/** Prefix of the names of its weights and inputs. */
export const TEACHER_PREFIX = 'teacher.';

/** Encoder output of a clip. */
type Encode = (clip: Clip) => Promise<EncodedClip>;

export interface Teacher {
  readonly dimensions: WhisperDimensions;
  /** Bytes of its decoder's weights and, where its own encoder is used, of that. */
  readonly bytes: number;
  /** Inputs with its encoder outputs of a batch's clips; absent where it shares the student's (frozen) encoder. */
  readonly encoderFeeds?: ((examples: readonly Example[]) => Promise<Record<string, HostTensor>>) | undefined;
}

/**
 * Moves the teacher's decoder into the student's computing thread. `teacher` can be closed afterwards where it has no
 * `encoderFeeds`: it shares the student's encoder.
 * @param encode the teacher's encoder output of a clip, called when a batch needs it
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
  const names = decoderWeights(dimensions);
  const values = await teacher.runtime.read(names);
  const bytes = values.reduce((sum, { data }) => sum + data.byteLength, 0);
  await student.runtime.store(
    names.map((name, i) => {
      const { shape, data } = values[i]!;
      return [TEACHER_PREFIX + name, { shape, data: data as Float32Array }];
    }),
  );
  if (sharesEncoder) return { dimensions, bytes };
  // Only its encoder is used from now on.
  await teacher.runtime.store(names.map((name) => [name, { shape: [0], data: new Float32Array(0) }]));
  const fitted = examples.some(({ clip }) => clip.window < FULL_WINDOW_POSITIONS);
  const tails = fitted ? await teacher.silenceTails() : undefined;
  return {
    dimensions,
    bytes: bytes + 4 * encoderValues(dimensions),
    encoderFeeds: async (batch) => {
      const clips = await Promise.all(batch.map(({ source }) => encode(source!)));
      const { frames, frameBias } = audioBatch(clips, tails);
      return { [`${TEACHER_PREFIX}frames`]: frames, [`${TEACHER_PREFIX}frameBias`]: frameBias };
    },
  };
}

function encoderValues(dimensions: WhisperDimensions): number {
  let count = 0;
  for (const [name, shape] of whisperTensors(dimensions)) {
    if (name.startsWith('model.encoder.')) count += shape.reduce((product, n) => product * n, 1);
  }
  return count;
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
