/** An engine in this process: the model is loaded at the first request, and computes one request after the other. */
import { stat } from 'node:fs/promises';
import { basename } from 'node:path';
import { abortable } from '../abort.ts';
import type { TranslateOptions } from '../decoding/transcribe-options.ts';
import { Whisper } from '../decoding/whisper.ts';
import {
  type Engine,
  EngineUnavailable,
  type LiveStream,
  type ServedModel,
  type SpeechEvents,
  type SpeechRequest,
} from './engine.ts';

export interface InProcessOptions {
  readonly requests?: number | undefined;
}

/** @param folders model directories by the ids that they are served under */
export async function inProcessEngine(
  folders: ReadonlyMap<string, string>,
  { requests: limit = 64 }: InProcessOptions = {},
): Promise<Engine> {
  const loaded = new Map<string, Whisper>();
  const models: ServedModel[] = [];
  for (const [id, directory] of folders) {
    const whisper = await Whisper.load(directory);
    loaded.set(id, whisper);
    const { mtimeMs } = await stat(directory);
    models.push({
      ...{ id: id || basename(directory), directory, created: Math.floor(mtimeMs / 1000) },
      ...{ languages: whisper.languages, target: whisper.target, englishFirst: false },
    });
  }
  let turn: Promise<unknown> = Promise.resolve();
  let requests = 0;
  let audioSeconds = 0;
  const transcribe = async (request: SpeechRequest, { signal, onSegment }: SpeechEvents = {}) => {
    if (requests >= limit) throw new EngineUnavailable(`found ${requests} requests in the queue`, 'busy', 2);
    requests++;
    try {
      const whisper = loaded.get(request.model)!;
      const options: TranslateOptions = {
        ...request.options,
        signal,
        ...(onSegment && { onSegment: (segment, { language }) => onSegment(segment, language) }),
      };
      const work = turn.then(() =>
        request.task === 'translate'
          ? whisper.translate(request.audio, options)
          : whisper.transcribe(request.audio, options),
      );
      turn = work.catch(() => {});
      const transcript = await abortable(signal, () => work);
      audioSeconds += transcript.duration;
      return transcript;
    } finally {
      requests--;
    }
  };
  return {
    models,
    transcribe,
    live: (): Promise<LiveStream> => {
      throw new EngineUnavailable('live streams are not served', 'down', 60);
    },
    status: () => ({
      ...{ ready: true, requests, limit, streams: 0, streamLimit: 0, restarts: 0 },
      ...{ memory: process.memoryUsage.rss(), loaded: [...loaded.keys()] },
      ...{ windows: 0, batches: 0, audioSeconds },
    }),
    close: async () => {
      await turn;
      for (const whisper of loaded.values()) await whisper.close();
    },
  };
}
