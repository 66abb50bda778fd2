/**
 * The process that computes, started by engine-process.ts: it reads and decodes recordings and streams, so that the server's own
 * thread only moves messages. It ends with the server, however that ends.
 */
import { answerParent, sendToParent } from '../backend/forked.ts';
import { SharedTranscription } from '../decoding/shared-transcription.ts';
import { UserError } from '../errors.ts';
import { LiveSession } from '../live/session.ts';
import type { LiveRequest, SpeechRequest } from './engine.ts';
import type { ComputingOptions, EngineMessage, EngineReply } from './engine-messages.ts';
import { LoadedModels } from './process-models.ts';
import { type OpenStream, Streams } from './process-streams.ts';

const STATUS_MS = 1000;
/** Silence for the first run, which compiles the graphs. */
const WARM_UP = new Float32Array(16_000);

const send = (reply: EngineReply): void => sendToParent(reply);

/** What the server aborts, by its number. */
const aborts = new Map<number, AbortController>();
/** Streams that were closed before they were open. */
const closed = new Set<number>();

let models: LoadedModels;
const streams = new Streams();
const open = new Map<number, OpenStream>();
const totals = { windows: 0, batches: 0, audioSeconds: 0, milliseconds: 0 };
const shared = new SharedTranscription(
  // Somebody waits for what was just said.
  () => streams.turn,
  ({ windows, seconds, milliseconds }) => {
    totals.windows += windows;
    totals.batches++;
    totals.audioSeconds += seconds;
    totals.milliseconds += milliseconds;
    reportStatus();
  },
);

function reportStatus(): void {
  send({
    type: 'status',
    status: { ...totals, memory: process.memoryUsage.rss(), loaded: models.loaded },
  });
}

async function begin(options: ComputingOptions): Promise<void> {
  models = new LoadedModels(options, reportStatus);
  await models.use(options.models[0]!.id, async (model) => {
    send({ type: 'ready' });
    setInterval(reportStatus, STATUS_MS).unref();
    await shared.transcribe(model, { audio: WARM_UP }, { from: 'en' });
  });
}

async function transcribe(id: number, request: SpeechRequest): Promise<void> {
  const abort = new AbortController();
  aborts.set(id, abort);
  try {
    const { audio, task, options } = request;
    const transcript = await models.use(request.model, (model) =>
      shared.transcribe(
        model,
        { audio },
        {
          ...options,
          task,
          signal: abort.signal,
          onBegun: (seconds) => send({ type: 'begun', id, seconds }),
          onSegment: (segment, { language }) => send({ type: 'segment', id, segment, language }),
        },
      ),
    );
    send({ type: 'done', id, transcript });
  } catch (error) {
    if (!abort.signal.aborted) failed(error, id, request.audio);
  } finally {
    aborts.delete(id);
  }
}

/** Until the stream has ended, or nobody wants more of it. */
async function live(id: number, { model, ...options }: LiveRequest): Promise<void> {
  try {
    await models.use(model, async (loaded) => {
      const session = await LiveSession.start(loaded, options);
      if (closed.delete(id)) return;
      await new Promise<void>((resolve, reject) => {
        const stream: OpenStream = {
          session,
          onEvent: (event) => send({ type: 'event', id, event }),
          onEnd: (error) => (error === undefined ? resolve() : reject(error)),
        };
        streams.add(stream);
        open.set(id, stream);
        send({ type: 'opened', id });
      });
    });
    send({ type: 'ended', id });
  } catch (error) {
    failed(error, id);
  } finally {
    open.delete(id);
    closed.delete(id);
  }
}

/** The name of the file, which the server chose, is nobody's. */
function failed(error: unknown, id: number, audio?: string): void {
  endWithoutMemory(error);
  const kind = error instanceof UserError ? 'user' : 'internal';
  if (kind === 'internal') console.error(error);
  const { message } = error as Error;
  send({ type: 'failed', id, kind, message: audio ? message.replaceAll(audio, 'the recording') : message });
}

/** Where memory is exhausted, nothing that follows can be trusted: another process begins anew. */
function endWithoutMemory(error: unknown): void {
  if (/bad_alloc|failed to allocate|allocation failed|out of memory/i.test(String(error))) {
    console.error(error);
    process.exit(1);
  }
}

function receive(message: EngineMessage): void {
  switch (message.type) {
    case 'begin':
      begin(message.options).catch((error: unknown) => {
        const kind = error instanceof UserError ? 'user' : 'internal';
        send({ type: 'failed', kind, message: (error as Error).message });
      });
      return;
    case 'transcribe':
      void transcribe(message.id, message.request);
      return;
    case 'abort':
      aborts.get(message.id)?.abort();
      return;
    case 'live':
      void live(message.id, message.request);
      return;
    case 'close': {
      const stream = open.get(message.id);
      if (stream) streams.remove(stream);
      else closed.add(message.id);
      return;
    }
    default:
      toStream(message);
  }
}

type ToStream = Exclude<EngineMessage, { type: 'begin' | 'transcribe' | 'abort' | 'live' | 'close' }>;

function toStream(message: ToStream): void {
  const session = open.get(message.id)?.session;
  if (!session) return;
  if (message.type === 'samples') session.push(message.samples);
  else if (message.type === 'commit') session.commit();
  else session.end();
  streams.wake();
}

answerParent(receive);
