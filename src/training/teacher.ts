/** The teacher of a distillation: another Whisper, frozen, whose decoder's weights lie beside the student's. */
import { readFile } from 'node:fs/promises';
import { UserError } from '../errors.ts';
import type { HostTensor } from '../graph/runtime.ts';
import { audioBatch } from '../whisper/audio-batch.ts';
import type { WhisperDimensions } from '../whisper/dimensions.ts';
import type { EncodedClip, WhisperModel } from '../whisper/model.ts';
import { decoderWeights } from '../whisper/training-graph.ts';
import type { Example } from './batches.ts';

/** Before the names of its weights, and of its inputs. */
export const TEACHER_PREFIX = 'teacher.';

export interface Teacher {
  readonly dimensions: WhisperDimensions;
  /** What it hears of a batch's clips, as inputs; absent where it has the student's encoder, which is then frozen. */
  readonly hears?: ((examples: readonly Example[]) => Record<string, HostTensor>) | undefined;
}

/**
 * Puts the teacher's decoder into the student's computing thread: `teacher` can be closed afterwards.
 * @param encode gives the teacher's encoder outputs of the examples' clips, in their order; asked where it does not hear what
 * the student hears
 * @throws UserError where the vocabularies do not agree
 */
export async function createTeacher(
  student: WhisperModel,
  teacher: WhisperModel,
  examples: readonly Example[],
  { tunesEncoder, encode }: { tunesEncoder: boolean; encode: () => Promise<readonly EncodedClip[]> },
): Promise<Teacher> {
  await checkVocabulary(student, teacher);
  const { dimensions } = teacher;
  const hearsTheSame =
    !tunesEncoder && (await teacher.encoderFingerprint()) === (await student.encoderFingerprint());
  const hears = hearsTheSame ? undefined : await hearing(teacher, examples, await encode());
  const names = decoderWeights(dimensions);
  const values = await teacher.runtime.read(names);
  await student.runtime.store(
    names.map((name, i) => {
      const { shape, data } = values[i]!;
      return [TEACHER_PREFIX + name, { shape, data: data as Float32Array }];
    }),
  );
  return { dimensions, hears };
}

async function hearing(
  teacher: WhisperModel,
  examples: readonly Example[],
  clips: readonly EncodedClip[],
): Promise<NonNullable<Teacher['hears']>> {
  const tails = await teacher.silenceTailsFor(clips);
  const heard = new Map(examples.map((example, i) => [example, clips[i]!]));
  return (batch) => {
    const { frames, frameBias } = audioBatch(
      batch.map((example) => heard.get(example)!),
      tails,
    );
    return { [`${TEACHER_PREFIX}frames`]: frames, [`${TEACHER_PREFIX}frameBias`]: frameBias };
  };
}

/** Logits are compared token by token. */
async function checkVocabulary(student: WhisperModel, teacher: WhisperModel): Promise<void> {
  const [ours, theirs] = [student.dimensions.vocabulary, teacher.dimensions.vocabulary];
  if (ours !== theirs) {
    throw new UserError(
      `${teacher.directory}: a teacher of ${theirs} tokens; expected one of ${ours}, as ${student.directory} has`,
    );
  }
  const files = [student.settings.tokenizerFile, teacher.settings.tokenizerFile];
  const [our, their] = await Promise.all(files.map(vocabularyOf));
  const different = [...our!].find(([id, token]) => their!.get(id) !== token);
  if (different) {
    const [id, token] = different;
    throw new UserError(
      `${files[1]}: token ${id} is ${JSON.stringify(their!.get(id))}; expected ${JSON.stringify(token)}, ` +
        "the student's: a teacher must have its vocabulary",
    );
  }
}

/** Token by id. */
async function vocabularyOf(file: string): Promise<Map<number, string>> {
  const { model, added_tokens } = JSON.parse(await readFile(file, 'utf8')) as {
    model?: { vocab?: Record<string, number> };
    added_tokens?: { id: number; content: string }[];
  };
  return new Map([
    ...Object.entries(model?.vocab ?? {}).map(([token, id]): [number, string] => [id, token]),
    ...(added_tokens ?? []).map(({ id, content }): [number, string] => [id, content]),
  ]);
}
