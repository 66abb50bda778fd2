/** For tests of HTTP and sessions: an engine that says what a test wants, as a busy or broken one cannot be had at will. */
import type { Segment, Transcript } from '../decoding/transcript.ts';
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
