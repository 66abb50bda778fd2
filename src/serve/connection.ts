/** A socket and the session that it is of, as they see each other. */
import type { IncomingMessage } from 'node:http';
import type { ApiError } from './api-error.ts';

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
  /** A fault of the server's own, for the log. */
  fault(error: unknown): void;
}

/** Of RFC 6455: as it should, the server or the client goes, not allowed, a fault, to be tried again later. */
export type CloseCode = 1000 | 1001 | 1008 | 1011 | 1013;

/** The code with which a socket is closed after an error. */
export const closeCodeOf = ({ status }: ApiError): CloseCode =>
  status === 429 || status === 503 ? 1013 : status >= 500 ? 1011 : 1008;
