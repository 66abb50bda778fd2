/** WebSockets: who may open one, how many, and what ends one that nobody uses or reads. */
import { randomUUID } from 'node:crypto';
import { type IncomingMessage, type Server, STATUS_CODES } from 'node:http';
import type { Duplex } from 'node:stream';
import { type WebSocket, WebSocketServer } from 'ws';
import { ApiError, apiErrorOf, isFault } from './api-error.ts';
import type { Serving } from './app.ts';
import {
  type CloseCode,
  type Connection,
  closeCodeOf,
  type ErrorContext,
  newId,
  type SocketSession,
} from './connection.ts';
import { EngineUnavailable } from './engine.ts';
import { liveSession } from './live-socket.ts';
import { transcriptionSession } from './realtime-transcription.ts';
import { translationSession } from './realtime-translation.ts';

type OpenSession = (serving: Serving, connection: Connection) => SocketSession;

interface SocketRoute {
  readonly open: OpenSession;
  /** Bytes of a message. */
  readonly maxPayload: number;
  /** Longest time without a message. */
  readonly idleMs: number;
}

const ROUTES: Readonly<Record<string, SocketRoute>> = {
  '/live': { open: liveSession, maxPayload: 2 ** 20, idleMs: 60_000 },
  // A message has at most 15 MiB of base64; who speaks by pushing a button is silent for long.
  '/v1/realtime': { open: transcriptionSession, maxPayload: 16 * 2 ** 20, idleMs: 300_000 },
  '/v1/realtime/translations': { open: translationSession, maxPayload: 16 * 2 ** 20, idleMs: 300_000 },
};

/** Subprotocols that a server may agree to; those with a key are none. */
const PROTOCOLS = ['realtime', 'live'];
const PING_MS = 20_000;
/** Bytes that wait because a client does not read. */
const MOST_UNREAD = 4 * 2 ** 20;

export interface Sockets {
  /** Ends all sessions, and cuts those off that have not ended after the seconds. */
  close(seconds: number): Promise<void>;
}

export function serveSockets(server: Server, serving: Serving): Sockets {
  const open = new Set<OpenSocket>();
  const servers = new Map(
    Object.entries(ROUTES).map(([path, { maxPayload }]) => [
      path,
      new WebSocketServer({
        noServer: true,
        clientTracking: false,
        perMessageDeflate: false,
        maxPayload,
        handleProtocols: (offered) => PROTOCOLS.find((name) => offered.has(name)) ?? false,
      }),
    ]),
  );
  let isClosing = false;
  server.on('upgrade', (request, socket: Duplex, head) => {
    socket.on('error', () => socket.destroy());
    let url: URL;
    let route: SocketRoute | undefined;
    try {
      url = new URL(`http://localhost${request.url?.startsWith('/') ? request.url : '/'}`);
      route = ROUTES[url.pathname];
      if (isClosing) throw new EngineUnavailable('the server closes', 'down', 1);
      if (!route) throw new ApiError(404, `found no socket at ${url.pathname.slice(0, 100)}`);
      serving.access.checkSite(request.headers);
      serving.access.checkKey(request.headers);
    } catch (error) {
      return refuse(socket, apiErrorOf(error));
    }
    servers.get(url.pathname)!.handleUpgrade(request, socket, head, (ws) => {
      const { streamLimit } = serving.engine.status();
      const opened = new OpenSocket(ws, url, request.headers, route!, serving, () => open.delete(opened));
      if (open.size >= streamLimit) {
        const reason = `found ${open.size} streams that are open, the most that this server takes`;
        opened.close(1013, reason);
        return;
      }
      open.add(opened);
      opened.begin();
    });
  });
  return {
    close: async (seconds) => {
      isClosing = true;
      for (const socket of open) socket.end();
      const until = performance.now() + seconds * 1000;
      while (open.size > 0 && performance.now() < until)
        await new Promise((resolve) => setTimeout(resolve, 50));
      for (const socket of open) socket.terminate();
    },
  };
}

/** An answer of HTTP in place of a socket. */
function refuse(socket: Duplex, { status, body, headers }: ApiError): void {
  const content = JSON.stringify(body);
  const fields = {
    ...headers,
    'content-type': 'application/json',
    'content-length': Buffer.byteLength(content),
    connection: 'close',
  };
  const lines = Object.entries(fields).map(([name, value]) => `${name}: ${value}\r\n`);
  socket.end(`HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\n${lines.join('')}\r\n${content}`);
}

class OpenSocket implements Connection {
  readonly #id = `ws_${randomUUID().replaceAll('-', '')}`;
  readonly #begun = performance.now();
  #session: SocketSession | undefined;
  #timer: NodeJS.Timeout | undefined;
  #lastMessage = performance.now();
  #answersPings = true;
  /** Of streams that may take no more. */
  #pauses = 0;
  #seconds: number | undefined;
  #fault: string | undefined;

  constructor(
    private readonly ws: WebSocket,
    readonly url: URL,
    readonly headers: IncomingMessage['headers'],
    private readonly route: SocketRoute,
    private readonly serving: Serving,
    onClosed: () => void,
  ) {
    // A frame that is none, or too long: ws closes the socket with the code for it.
    ws.on('error', () => {});
    ws.on('close', (code) => {
      clearInterval(this.#timer);
      onClosed();
      this.#session?.closed();
      const ms = Math.round(performance.now() - this.#begun);
      const path = `WS ${url.pathname}`;
      serving.metrics.request(path, code, ms / 1000);
      serving.log({ id: this.#id, route: path, status: code, ms, audio: this.#seconds, fault: this.#fault });
    });
  }

  begin(): void {
    const { ws } = this;
    ws.on('pong', () => {
      this.#answersPings = true;
    });
    ws.on('message', (data: Buffer, isBinary) => {
      this.#lastMessage = performance.now();
      this.#do(() => (isBinary ? this.#session?.bytes(data) : this.#session?.text(data.toString())));
    });
    this.#timer = setInterval(() => this.#look(), PING_MS);
    this.#do(() => {
      this.#session = this.route.open(this.serving, this);
    });
  }

  send(message: object): void {
    if (this.ws.readyState !== this.ws.OPEN) return;
    this.ws.send(JSON.stringify(message));
    if (this.ws.bufferedAmount > MOST_UNREAD) this.ws.terminate();
  }

  pause(paused: boolean): void {
    this.#pauses += paused ? 1 : -1;
    this.#lastMessage = performance.now();
    if (this.ws.readyState !== this.ws.OPEN) return;
    if (this.#pauses > 0) this.ws.pause();
    else this.ws.resume();
  }

  close(code: CloseCode, reason: string): void {
    // A frame of control has room for 123 bytes; a character that is cut would not be UTF-8.
    let text = reason;
    while (Buffer.byteLength(text) > 123) text = text.slice(0, -1);
    // The other side's answer has to be read.
    if (this.#pauses > 0) this.ws.resume();
    this.ws.close(code, text);
  }

  heard(seconds: number): void {
    this.#seconds = seconds;
  }

  tell(error: unknown, { event, secrets = [] }: ErrorContext = {}): ApiError {
    const shown = apiErrorOf(error, secrets);
    if (isFault(error)) this.#fault = (error as Error).stack ?? String(error);
    const { message, body } = shown;
    this.send({
      ...{ type: 'error', event_id: newId('event'), message },
      error: { ...body.error, event_id: event ?? null },
    });
    return shown;
  }

  fail(error: unknown, about?: ErrorContext): void {
    const shown = this.tell(error, about);
    this.close(closeCodeOf(shown), shown.message);
  }

  end(): void {
    this.#do(() => (this.#session ? this.#session.end() : this.close(1001, 'the server closes')));
  }

  terminate(): void {
    this.ws.terminate();
  }

  #do(work: () => void): void {
    try {
      work();
    } catch (error) {
      this.fail(error);
    }
  }

  #look(): void {
    if (this.#pauses > 0) return;
    const { idleMs } = this.route;
    if (performance.now() - this.#lastMessage > idleMs) {
      this.close(1001, `found no message for ${idleMs / 1000} s`);
      return;
    }
    if (!this.#answersPings) {
      this.ws.terminate();
      return;
    }
    this.#answersPings = false;
    this.ws.ping();
  }
}
