/** The server: HTTP, or HTTPS, over a process that computes. */
import { createServer as createHttp, type Server } from 'node:http';
import { createServer as createHttps } from 'node:https';
import type { AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';
import { getRequestListener } from '@hono/node-server';
import { UserError } from '../errors.ts';
import { reasonOf } from '../files/system-error.ts';
import { Access, isLoopback } from './access.ts';
import { isFault } from './api-error.ts';
import { type Limits, serverApp } from './app.ts';
import type { Engine } from './engine.ts';
import { serverMetrics } from './metrics.ts';
import { logTo, type RequestLog } from './request-log.ts';
import { serveSockets } from './sockets.ts';
import { Uploads } from './uploads.ts';

export interface ServerOptions {
  /** Address to listen at. Default 127.0.0.1, which only programs on this machine reach. */
  readonly host?: string | undefined;
  /** Default 8000; 0: any that is free. */
  readonly port?: number | undefined;
  readonly apiKey?: string | undefined;
  /** Needs no key although others reach it. Default false. */
  readonly noAuth?: boolean | undefined;
  /** Origins of other sites whose pages may ask; `*`: any. Default: none. */
  readonly cors?: readonly string[] | undefined;
  /** Certificate and key (PEM): HTTPS and wss. Default: HTTP. */
  readonly tls?: { readonly cert: string | Buffer; readonly key: string | Buffer } | undefined;
  readonly limits?: Partial<Limits> | undefined;
  /** Default: a line of JSON on standard error. */
  readonly log?: RequestLog | undefined;
}

export const DEFAULT_LIMITS: Limits = {
  // OpenAI's.
  maxUpload: 26_214_400,
  maxDuration: 4 * 3600,
  maxRequests: 64,
  timeout: 1800,
};

export interface RunningServer {
  readonly url: string;
  readonly port: number;
  /** Stops accepting, finishes what is being answered, at most `seconds` long. The engine is the caller's to close. */
  close(seconds?: number): Promise<void>;
}

const DEFAULT_HOST = '127.0.0.1';
const DEFAULT_PORT = 8000;

/** @throws UserError where it may not, or cannot, listen there */
export async function startServer(engine: Engine, options: ServerOptions = {}): Promise<RunningServer> {
  const { host = DEFAULT_HOST, port = DEFAULT_PORT, apiKey, noAuth, cors, tls } = options;
  const { limits: given, log = logTo(process.stderr) } = options;
  checkOpen(host, apiKey, noAuth);
  const limits: Limits = { ...DEFAULT_LIMITS, ...given };
  const access = new Access({ apiKey, origins: cors });
  const uploads = await Uploads.create();
  const serving = {
    ...{ engine, uploads, access, limits, log },
    metrics: serverMetrics(engine),
    onStreamError: (c: { set(name: 'fault', value: string): void }, error: unknown) => {
      if (isFault(error)) c.set('fault', (error as Error).stack ?? String(error));
    },
  };
  const app = serverApp(serving);
  const listener = getRequestListener(app.fetch, { overrideGlobalObjects: false });
  const server: Server = tls ? createHttps({ cert: tls.cert, key: tls.key }, listener) : createHttp(listener);
  // Longer than the form's own limits, which answer in words.
  server.requestTimeout = (limits.timeout + 60) * 1000;
  server.on('clientError', refuse);
  try {
    await listening(server, host, port);
  } catch (error) {
    await uploads.close();
    throw error;
  }
  const sockets = serveSockets(server, serving);
  const { port: bound } = server.address() as AddressInfo;
  return {
    port: bound,
    url: `${tls ? 'https' : 'http'}://${host.includes(':') ? `[${host}]` : host}:${bound}`,
    close: async (seconds = 30) => {
      const answered = closed(server, seconds);
      await sockets.close(seconds);
      await answered;
      await uploads.close();
    },
  };
}

/** @throws UserError where others would reach a server without a key, and nobody said so */
function checkOpen(host: string, apiKey: string | undefined, noAuth: boolean | undefined): void {
  if (apiKey !== undefined && noAuth)
    throw new UserError('--no-auth: found --api-key with it; expected one or the other');
  if (apiKey !== undefined && apiKey.length < MIN_KEY)
    throw new UserError(
      `--api-key: found ${apiKey.length} characters; expected at least ${MIN_KEY}, without spaces`,
    );
  if (!isLoopback(host) && apiKey === undefined && !noAuth)
    throw new UserError(
      `--host ${host}: others would reach it; expected --api-key KEY, or --no-auth where everyone may use it`,
    );
}

const MIN_KEY = 8;

async function listening(server: Server, host: string, port: number): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      const reason = error.code === 'EADDRINUSE' ? 'another program listens there' : reasonOf(error);
      reject(
        new UserError(
          `${host}:${port}: cannot listen: ${reason ?? error.message}; expected another --port, or --port 0 for any`,
        ),
      );
    });
    server.listen(port, host, resolve);
  });
}

/** Stops accepting and waits for the answers; what then still runs is cut off. */
async function closed(server: Server, seconds: number): Promise<void> {
  const done = new Promise<void>((resolve) => server.close(() => resolve()));
  // A connection is kept for the client's next request, also after the answer that was waited for.
  const idle = setInterval(() => server.closeIdleConnections(), 50);
  const timer = setTimeout(() => server.closeAllConnections(), seconds * 1000);
  await done;
  clearInterval(idle);
  clearTimeout(timer);
}

const STATUS_OF_CODE: Readonly<Record<string, string>> = {
  HPE_HEADER_OVERFLOW: '431 Request Header Fields Too Large',
  ERR_HTTP_REQUEST_TIMEOUT: '408 Request Timeout',
};

/** A request that is none: Node has no answer of its own with a body that clients understand. */
function refuse(error: NodeJS.ErrnoException, socket: Duplex): void {
  if (!socket.writable || error.code === 'ECONNRESET') {
    socket.destroy();
    return;
  }
  const status = STATUS_OF_CODE[error.code ?? ''] ?? '400 Bad Request';
  const body = JSON.stringify({
    error: {
      message: `found a request that is not HTTP (${status})`,
      type: 'invalid_request_error',
      param: null,
      code: null,
    },
  });
  socket.end(
    `HTTP/1.1 ${status}\r\ncontent-type: application/json\r\ncontent-length: ${Buffer.byteLength(body)}\r\nconnection: close\r\n\r\n${body}`,
  );
}
