/** A socket and the session that it is of, as they see each other. */
import { randomUUID } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import type { ApiError, Secret } from './api-error.ts';

export const newId = (kind: string): string => `${kind}_${randomUUID().replaceAll('-', '').slice(0, 24)}`;

/** What a client does, told to the session of its socket. */
export interface SocketSession {
  text(message: string): void;
  bytes(message: Buffer): void;
  /** The server closes: tell what is left. */
  end(): void;
  /** The client is gone. */
  closed(): void;
}

/** What a session does with its socket. */
export interface Connection {
  readonly url: URL;
  readonly headers: IncomingMessage['headers'];
  send(message: object): void;
  /** Reads nothing more, until as many streams that paused it let it. */
  pause(paused: boolean): void;
  close(code: CloseCode, reason: string): void;
  /** Seconds of sound, for the log. */
  heard(seconds: number): void;
  /** Tells of a mistake, as OpenAI's realtime API does; a fault of the server's own is told to the log, too. */
  tell(error: unknown, about?: ErrorContext): ApiError;
  /** Tells of an error after which nothing can go on, and closes the socket. */
  fail(error: unknown, about?: ErrorContext): void;
}

export interface ErrorContext {
  /** Id of the client's event that the error is about. */
  readonly event?: string | undefined;
  readonly secrets?: readonly Secret[];
}

/** Of RFC 6455: as it should, the server or the client goes, not allowed, a fault, to be tried again later. */
export type CloseCode = 1000 | 1001 | 1008 | 1011 | 1013;

/** The code with which a socket is closed after an error. */
export const closeCodeOf = ({ status }: ApiError): CloseCode =>
  status === 429 || status === 503 ? 1013 : status >= 500 ? 1011 : 1008;
