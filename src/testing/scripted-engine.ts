/** For tests of HTTP and sessions: an engine that says what a test wants, as a busy or broken one cannot be had at will. */
import type { Segment, Transcript } from '../decoding/transcript.ts';
import type { LiveEvent } from '../live/events.ts';
import type {
  Engine,
  EngineStatus,
  LiveRequest,
  LiveStream,
  ServedModel,
  SpeechEvents,
  SpeechRequest,
} from '../serve/engine.ts';

export interface Script {
  readonly models?: readonly ServedModel[];
  readonly transcribe?: (request: SpeechRequest, events: SpeechEvents) => Promise<Transcript>;
  readonly live?: (request: LiveRequest) => Promise<LiveStream>;
  readonly status?: Partial<EngineStatus>;
}

export interface ScriptedEngine extends Engine {
  /** What it was asked. */
  readonly asked: (SpeechRequest | LiveRequest)[];
}

export const scriptedModel: ServedModel = {
  id: 'tiny',
  directory: '/nowhere/models/tiny',
  created: 1_700_000_000,
  languages: ['en', 'fr', 'zh'],
  target: 'zh',
  englishFirst: false,
};

export const segmentOf = (text: string, start: number, end: number): Segment => ({
  ...{ text, start, end, tokens: [50364, 400], logProbabilities: [-0.1, -0.2] },
  ...{ averageLogProbability: -0.15, compressionRatio: 1, noSpeechProbability: 0.01, temperature: 0 },
});

export const transcriptOf = (...segments: Segment[]): Transcript => ({
  audio: '',
  language: 'fr',
  text: segments
    .map(({ text }) => text)
    .join('')
    .trim(),
  duration: segments.at(-1)?.end ?? 0,
  averageLogProbability: -0.15,
  segments,
});

export function scriptedEngine(script: Script = {}): ScriptedEngine {
  const asked: (SpeechRequest | LiveRequest)[] = [];
  const {
    models = [scriptedModel],
    transcribe = async () => transcriptOf(segmentOf(' Bonjour.', 0, 1.5)),
    live = async () => Promise.reject(new Error('no live streams in this test')),
  } = script;
  return {
    models,
    asked,
    transcribe: async (request, events = {}) => {
      asked.push(request);
      return transcribe(request, events);
    },
    live: async (request) => {
      asked.push(request);
      return live(request);
    },
    status: () => ({
      ...{ ready: true, requests: 0, limit: 64, streams: 0, streamLimit: 8, restarts: 0, memory: 1000 },
      ...{ loaded: models.map(({ id }) => id), windows: 3, batches: 1, audioSeconds: 4.5 },
      ...script.status,
    }),
    close: async () => {},
  };
}

/** Live decoding that hears a word in each second, and utterances where they are committed. */
export class WordStream implements LiveStream {
  readonly #events: LiveEvent[] = [];
  #wake = (): void => {};
  #ended = false;
  #utterance = 0;
  #words = 0;
  #begun = 0;
  #error: Error | undefined;
  samples = 0;
  isClosed = false;

  constructor(readonly request: LiveRequest) {}

  push(samples: Float32Array): void {
    this.samples += samples.length;
    while ((this.#words + this.#begun + 1) * 16_000 <= this.samples) {
      if (this.#words === 0)
        this.#tell({ type: 'speech-start', utterance: ++this.#utterance, time: this.#begun });
      const committed = `${this.#words + this.#begun > 0 ? ' ' : ''}word${++this.#words}`;
      const time = this.#begun + this.#words;
      this.#tell({
        ...{ type: 'text', utterance: this.#utterance, time, lag: 0.1, language: 'en' },
        text: { committed, tentative: ' perhaps' },
        ...(this.request.model === 'first' && {
          english: { committed: committed.toUpperCase(), tentative: '' },
        }),
      });
    }
  }

  commit(): void {
    if (this.#words === 0) return;
    const words = Array.from({ length: this.#words }, (_, i) => `word${i + 1}`);
    const end = this.#begun + this.#words;
    this.#tell({
      type: 'utterance',
      utterance: this.#utterance,
      start: this.#begun,
      end,
      text: words.join(' '),
    });
    this.#begun = end;
    this.#words = 0;
  }

  end(): void {
    this.commit();
    this.#ended = true;
    this.#wake();
  }

  close(): void {
    this.isClosed = true;
    this.#ended = true;
    this.#wake();
  }

  /** As where the engine dies. */
  fail(error: Error): void {
    this.#error = error;
    this.#wake();
  }

  #tell(event: LiveEvent): void {
    this.#events.push(event);
    this.#wake();
  }

  get events(): AsyncIterable<LiveEvent> {
    return this.#all();
  }

  async *#all(): AsyncGenerator<LiveEvent, void, undefined> {
    for (;;) {
      while (this.#events.length > 0) yield this.#events.shift()!;
      if (this.#error) throw this.#error;
      if (this.#ended) return;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }
}
