/**
 * What the coordinator of a training and its workers tell each other, over lists of Redis: tasks to each worker, their answers
 * to the coordinator, and the trained weights of the step.
 */
import type { Redis } from 'ioredis';
import type { ComputedBatch } from '../training/train.ts';
import { PREFIX } from './redis.ts';

/** Keys of a training, by the token of its run: of a coordinator that died nothing is read. */
export const weightsOf = (token: string): string => `${PREFIX}:${token}:weights`;
export const answersOf = (token: string): string => `${PREFIX}:${token}:answers`;
export const tasksOf = (token: string, worker: string): string => `${PREFIX}:${token}:tasks:${worker}`;
/** Is there while the coordinator lives. */
export const aliveOf = (token: string): string => `${PREFIX}:${token}:alive`;

/** Seconds that the coordinator's sign of life holds, and that other keys do without anybody to remove them. */
export const ALIVE_SECONDS = 30;
export const KEPT_SECONDS = 600;

/** To a worker. */
export type Task =
  /** To compute a batch. @property step counted from 1 @property place among the step's batches, counted from 0 */
  | { readonly type: 'batch'; readonly step: number; readonly place: number }
  | { readonly type: 'refused'; readonly reason: string }
  | { readonly type: 'end' };

export interface AnswerFrom {
  readonly from: string;
  /** host:pid */
  readonly name: string;
}

export type AnswerContent =
  /** It is ready, and has no task. */
  | { readonly type: 'waits' }
  | { readonly type: 'left' }
  | ({ readonly type: 'batch'; readonly step: number; readonly place: number } & Omit<
      ComputedBatch,
      'gradient'
    >);

/** Of a worker. */
export type Answer = AnswerFrom & AnswerContent;

/** A message with numbers: the length of its text in four bytes, the text, zeros up to a multiple of four bytes, float32 values. */
export function withNumbers(message: object, values: Float32Array = new Float32Array()): Buffer {
  const text = Buffer.from(JSON.stringify(message));
  const start = 4 * Math.ceil((4 + text.length) / 4);
  const all = Buffer.alloc(start + values.byteLength);
  all.writeUInt32LE(text.length);
  text.copy(all, 4);
  Buffer.from(values.buffer, values.byteOffset, values.byteLength).copy(all, start);
  return all;
}

export function numbersOf<Message>(all: Buffer): { message: Message; values: Float32Array<ArrayBuffer> } {
  const length = all.readUInt32LE();
  // JSON has no NaN: a loss that was not finite is null.
  const message = JSON.parse(all.toString('utf8', 4, 4 + length), (_, value) => value ?? Number.NaN);
  const start = 4 * Math.ceil((4 + length) / 4);
  const values = new Float32Array((all.length - start) / 4);
  all.copy(new Uint8Array(values.buffer), 0, start);
  return { message, values };
}

/** Pushes a worker's answer. */
export async function tell(
  redis: Redis,
  token: string,
  message: Answer,
  values?: Float32Array,
): Promise<void> {
  const key = answersOf(token);
  await redis.multi().rpush(key, withNumbers(message, values)).expire(key, KEPT_SECONDS).exec();
}
