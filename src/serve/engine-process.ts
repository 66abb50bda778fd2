/** The engine in a process of its own: where it dies, those who wait are told to ask again, and another one is started. */
import type { ChildProcess } from 'node:child_process';
import { totalmem } from 'node:os';
import { forkBuilt } from '../backend/forked.ts';
import type { Segment, Transcript } from '../decoding/transcript.ts';
import { UserError } from '../errors.ts';
import { largest } from '../extremes.ts';
import type { Compute } from '../whisper/compute.ts';
import {
  type Engine,
  type EngineStatus,
  EngineUnavailable,
  type LiveRequest,
  type LiveStream,
  type ServedModel,
  type SpeechEvents,
  type SpeechRequest,
} from './engine.ts';
import { type ComputingStatus, type EngineMessage, type EngineReply, errorOf } from './engine-messages.ts';
import { type FoundModel, findModels } from './engine-models.ts';
import { StreamOfProcess } from './engine-stream.ts';

export interface EngineOptions {
  /** Model directories by the names that requests use; the first one is the default and is loaded at the start. */
  readonly models: ReadonlyMap<string, string>;
  /** How linear layers compute. Default float32. */
  readonly compute?: Compute | undefined;
  /** Number of computing threads. Default: that of the cores. */
  readonly threads?: number | undefined;
  /** Bytes that the models in memory may need together. Default: half of the machine's, or the container's. */
  readonly memory?: number | undefined;
  /** Seconds after which an unused model leaves memory. Default: never. */
  readonly unloadAfter?: number | undefined;
  /** Requests that may wait or be computed. Default 64. */
  readonly limit?: number | undefined;
  /** Seconds of audio that may wait, of recordings that were read. Default 4 hours. */
  readonly secondsLimit?: number | undefined;
  /** Streams that may be decoded live. Default 4. */
  readonly streamLimit?: number | undefined;
  /** Called with what the process says of itself, a line each. */
  readonly onNote?: ((note: string) => void) | undefined;
}

const LIMIT = 64;
const SECONDS_LIMIT = 4 * 3600;
const STREAM_LIMIT = 4;
const STREAM_RETRY_SECONDS = 30;

/** The wait before a process is started again, twice as long after each that died young. */
const FIRST_BACKOFF_MS = 250;
const LONGEST_BACKOFF_MS = 30_000;
const GROWN_UP_MS = 60_000;
/** Seconds that a start takes, for those who are told to ask again. */
const START_SECONDS = 2;
/** Seconds of audio in a second of computing, before it was measured; those of a recording that was not read yet. */
const FIRST_RATE = 20;
const UNREAD_SECONDS = 10;
const LONGEST_RETRY_SECONDS = 120;

/** After what is asked was finished, or was not: how long the process may take to end. */
const END_MS = 2000;

interface Waiting {
  readonly resolve: (transcript: Transcript) => void;
  readonly reject: (error: Error) => void;
  readonly onSegment: ((segment: Segment, language: string) => void) | undefined;
  /** Of the recording, once it was read. */
  seconds: number | undefined;
}

/** An engine whose process may still be loading the first model; what it is asked meanwhile waits. */
export interface BegunEngine extends Engine {
  /** Rejects where the process cannot begin. */
  readonly ready: Promise<void>;
}

/** @throws UserError where a model cannot be used */
export async function startEngine(options: EngineOptions): Promise<Engine> {
  const engine = await beginEngine(options);
  await engine.ready;
  return engine;
}

/** @throws UserError where a model cannot be used, by its settings alone */
export async function beginEngine(options: EngineOptions): Promise<BegunEngine> {
  const models = await findModels(options.models);
  const memory = options.memory ?? usableMemory() / 2;
  const biggest = largest(models, ({ bytes }) => bytes);
  if (biggest > memory)
    throw new UserError(
      `--memory: found ${mebibytes(memory)} MB; expected at least ${mebibytes(biggest)} for the largest model`,
    );
  return new EngineProcess(models, { ...options, memory });
}

/** Bytes of the machine, or of the container where that has fewer. */
function usableMemory(): number {
  const limit = process.constrainedMemory();
  return limit > 0 ? Math.min(limit, totalmem()) : totalmem();
}

const mebibytes = (bytes: number): number => Math.ceil(bytes / 2 ** 20);

const NOTHING: ComputingStatus = {
  ...{ memory: 0, loaded: [], windows: 0, batches: 0, audioSeconds: 0, milliseconds: 0 },
};

class EngineProcess implements BegunEngine {
  readonly models: readonly ServedModel[];
  /** Of the first start. */
  readonly ready: Promise<void>;
  readonly #waiting = new Map<number, Waiting>();
  readonly #streams = new Map<number, StreamOfProcess>();
  #child: ChildProcess | undefined;
  #isReady = false;
  #nextId = 1;
  #restarts = 0;
  #backoff = FIRST_BACKOFF_MS;
  #startsAt = 0;
  #closing = false;
  #onIdle: (() => void) | undefined;
  /** Of the process, and the sums of those before it. */
  #status = NOTHING;
  #before = NOTHING;

  constructor(
    private readonly found: readonly FoundModel[],
    private readonly options: EngineOptions & { readonly memory: number },
  ) {
    this.models = found.map(({ bytes: _, ...model }) => model);
    this.ready = new Promise((resolve, reject) => this.#start(resolve, reject));
    // Whoever does not wait for it is told by what is asked.
    this.ready.catch(() => {});
  }

  /** @param onFailed where it cannot begin. Default: another one is started later */
  #start(onReady?: () => void, onFailed?: (error: Error) => void): void {
    const child = forkBuilt('serve/process.js', { serialization: 'advanced' });
    this.#child = child;
    const started = performance.now();
    let failure: Error | undefined;
    child.on('message', (reply: EngineReply) => {
      if (reply.type === 'ready') {
        this.#isReady = true;
        onReady?.();
      } else if (reply.type === 'failed' && reply.id === undefined) {
        failure = errorOf(reply);
        child.kill('SIGKILL');
      } else this.#receive(reply);
    });
    child.on('error', (error) => {
      failure ??= error;
    });
    child.once('exit', (code, signal) => {
      const wasReady = this.#isReady;
      this.#child = undefined;
      this.#isReady = false;
      this.#sumUp();
      if (!wasReady && onFailed) {
        onFailed(failure ?? new Error(`the computing process ended at its start (${signal ?? code})`));
        return;
      }
      if (!this.#closing)
        this.#startAgain(performance.now() - started, failure?.message ?? `${signal ?? code}`);
      this.#rejectAll();
    });
    const { compute, threads, memory, unloadAfter } = this.options;
    const models = this.found.map(({ id, directory, bytes }) => ({ id, directory, bytes }));
    this.#send({ type: 'begin', options: { models, compute, threads, memory, unloadAfter } });
  }

  #startAgain(lived: number, reason: string): void {
    if (lived > GROWN_UP_MS) this.#backoff = FIRST_BACKOFF_MS;
    const wait = this.#backoff;
    this.#backoff = Math.min(2 * wait, LONGEST_BACKOFF_MS);
    this.#startsAt = performance.now() + wait;
    this.#restarts++;
    this.options.onNote?.(`the computing process ended (${reason}); another one starts in ${wait / 1000} s`);
    setTimeout(() => {
      if (!this.#closing) this.#start();
    }, wait).unref();
  }

  /** The counts go on. */
  #sumUp(): void {
    const { windows, batches, audioSeconds, milliseconds } = this.#status;
    const before = this.#before;
    this.#before = {
      ...NOTHING,
      windows: before.windows + windows,
      batches: before.batches + batches,
      audioSeconds: before.audioSeconds + audioSeconds,
      milliseconds: before.milliseconds + milliseconds,
    };
    this.#status = NOTHING;
  }

  #rejectAll(): void {
    const error = this.#down('the computing process ended before it was done');
    for (const { reject } of this.#waiting.values()) reject(error);
    this.#waiting.clear();
    for (const stream of this.#streams.values()) stream.fail(error);
    this.#onIdle?.();
  }

  #down(message: string): EngineUnavailable {
    const wait = Math.max(0, this.#startsAt - performance.now()) / 1000;
    return new EngineUnavailable(message, 'down', Math.ceil(wait + START_SECONDS));
  }

  #send(message: EngineMessage): void {
    // A process that has just died: its end is told by 'exit'.
    this.#child?.send(message, () => {});
  }

  #receive(reply: EngineReply): void {
    if (reply.type === 'status') {
      this.#status = reply.status;
      return;
    }
    if (reply.type === 'ready' || reply.id === undefined) return;
    this.#streams.get(reply.id)?.receive(reply);
    const waiting = this.#waiting.get(reply.id);
    if (!waiting) return;
    if (reply.type === 'begun') waiting.seconds = reply.seconds;
    else if (reply.type === 'segment') waiting.onSegment?.(reply.segment, reply.language);
    else if (reply.type === 'done') waiting.resolve(reply.transcript);
    else if (reply.type === 'failed') waiting.reject(errorOf(reply));
  }

  async transcribe(request: SpeechRequest, { onSegment, signal }: SpeechEvents = {}): Promise<Transcript> {
    signal?.throwIfAborted();
    this.#checkRoom();
    const id = this.#nextId++;
    let onAbort: (() => void) | undefined;
    try {
      return await new Promise<Transcript>((resolve, reject) => {
        this.#waiting.set(id, { resolve, reject, onSegment, seconds: undefined });
        onAbort = () => {
          this.#send({ type: 'abort', id });
          reject(signal!.reason);
        };
        signal?.addEventListener('abort', onAbort, { once: true });
        this.#send({ type: 'transcribe', id, request });
      });
    } finally {
      if (onAbort) signal?.removeEventListener('abort', onAbort);
      this.#waiting.delete(id);
      if (this.#waiting.size === 0) this.#onIdle?.();
    }
  }

  /** @throws EngineUnavailable */
  #checkProcess(): void {
    if (this.#closing) throw new EngineUnavailable('the server is ending', 'down', START_SECONDS);
    if (!this.#child) throw this.#down('the computing process is being started');
  }

  /** @throws EngineUnavailable */
  #checkRoom(): void {
    this.#checkProcess();
    const { limit = LIMIT, secondsLimit = SECONDS_LIMIT } = this.options;
    const known = [...this.#waiting.values()].reduce((sum, { seconds = 0 }) => sum + seconds, 0);
    if (this.#waiting.size < limit && known < secondsLimit) return;
    throw new EngineUnavailable(
      `${this.#waiting.size} recordings are waiting or being computed: the queue is full`,
      'busy',
      this.#secondsUntilRoom(),
    );
  }

  /** Until a request in the queue is answered, by the rate so far. */
  #secondsUntilRoom(): number {
    const { audioSeconds, milliseconds } = this.#total();
    const rate = milliseconds > 0 ? audioSeconds / (milliseconds / 1000) : FIRST_RATE;
    const queued = [...this.#waiting.values()];
    const seconds = queued.reduce((sum, { seconds = UNREAD_SECONDS }) => sum + seconds, 0);
    const mean = seconds / Math.max(1, queued.length) / Math.max(rate, 0.1);
    return Math.min(LONGEST_RETRY_SECONDS, Math.max(1, Math.ceil(mean)));
  }

  #total(): Pick<ComputingStatus, 'windows' | 'batches' | 'audioSeconds' | 'milliseconds'> {
    const now = this.#status;
    const before = this.#before;
    return {
      windows: before.windows + now.windows,
      batches: before.batches + now.batches,
      audioSeconds: before.audioSeconds + now.audioSeconds,
      milliseconds: before.milliseconds + now.milliseconds,
    };
  }

  async live(request: LiveRequest): Promise<LiveStream> {
    this.#checkProcess();
    const { streamLimit = STREAM_LIMIT } = this.options;
    if (this.#streams.size >= streamLimit) {
      throw new EngineUnavailable(
        `${streamLimit} streams are being decoded: no other can be`,
        'busy',
        STREAM_RETRY_SECONDS,
      );
    }
    const id = this.#nextId++;
    const stream = new StreamOfProcess(
      (message) => this.#send({ ...message, id } as EngineMessage),
      () => this.#streams.delete(id),
    );
    this.#streams.set(id, stream);
    this.#send({ type: 'live', id, request });
    await stream.opened;
    return stream;
  }

  status(): EngineStatus {
    const { windows, batches, audioSeconds } = this.#total();
    const { limit = LIMIT, streamLimit = STREAM_LIMIT } = this.options;
    return {
      ready: this.#isReady && !this.#closing,
      requests: this.#waiting.size,
      limit,
      streams: this.#streams.size,
      streamLimit,
      restarts: this.#restarts,
      memory: this.#status.memory,
      loaded: this.#status.loaded,
      ...{ windows, batches, audioSeconds },
    };
  }

  async close(seconds = 0): Promise<void> {
    this.#closing = true;
    if (this.#waiting.size > 0 && seconds > 0) {
      let timer: NodeJS.Timeout | undefined;
      await new Promise<void>((resolve) => {
        this.#onIdle = resolve;
        timer = setTimeout(resolve, seconds * 1000);
      });
      clearTimeout(timer);
    }
    const child = this.#child;
    if (!child) return;
    const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()));
    const timer = setTimeout(() => child.kill('SIGKILL'), END_MS);
    child.disconnect();
    await ended;
    clearTimeout(timer);
  }
}
