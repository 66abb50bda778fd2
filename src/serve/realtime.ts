/** What both sessions of OpenAI's realtime API have in common: messages, their errors, sound in base64. */
import { z } from 'zod';
import { badRequest } from './api-error.ts';
import { type Connection, newId } from './connection.ts';

/** Hz of PCM16 in this API. */
export const REALTIME_RATE = 24_000;

const message = z.looseObject({ type: z.string(), event_id: z.string().optional() });
export type Message = z.infer<typeof message>;

export class RealtimeChannel {
  constructor(private readonly connection: Connection) {}

  send(type: string, fields: object = {}): void {
    this.connection.send({ type, event_id: newId('event'), ...fields });
  }

  /** Reads a message and has it acted on; what is wrong with it is told. */
  receive(text: string, act: (message: Message) => void): void {
    let found: Message | undefined;
    try {
      found = parsed(text);
      act(found);
    } catch (error) {
      this.connection.tell(error, { event: found?.event_id });
    }
  }
}

function parsed(text: string): Message {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    throw badRequest('found a message that is not JSON; expected an event');
  }
  const found = message.safeParse(json);
  if (!found.success) throw badRequest('found a message without a type; expected an event', 'type');
  return found.data;
}

export const unknownEvent = ({ type }: Message, known: readonly string[]): Error =>
  badRequest(`type: found ${JSON.stringify(type.slice(0, 60))}; expected any of ${known.join(', ')}`, 'type');

/** @throws ApiError where it does not fit the schema */
export function checked<Schema extends z.ZodType>(
  schema: Schema,
  value: unknown,
  name: string,
): z.infer<Schema> {
  const found = schema.safeParse(value);
  if (found.success) return found.data;
  const [{ path, message: expected }] = found.error.issues as [z.core.$ZodIssue];
  const where = [name, ...path].join('.');
  throw badRequest(`${where}: ${expected.replace(/^Invalid input: /, '')}`, where);
}

const BASE64 = /^[A-Za-z0-9+/_-]*={0,2}$/;

/** @throws ApiError where it is no base64 */
export function soundOf({ audio }: Message): Buffer {
  if (typeof audio !== 'string' || !BASE64.test(audio))
    throw badRequest('audio: expected PCM16 of 24 kHz, mono, in base64', 'audio');
  return Buffer.from(audio, 'base64');
}

/** A noise reduction that clients configure; recordings are decoded as they are. */
export const noiseReduction = z.looseObject({ type: z.string() }).nullish();
