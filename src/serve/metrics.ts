/** What Prometheus reads at `/metrics`. */
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';
import type { Engine, EngineStatus } from './engine.ts';

/** Seconds: from a short clip to a recording of hours. */
const BUCKETS = [0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800];

export interface Metrics {
  readonly contentType: string;
  text(): Promise<string>;
  request(route: string, status: number, seconds: number): void;
  uploaded(bytes: number): void;
  /** Seconds that an event of a live stream came behind its sound. */
  lag(seconds: number): void;
}

export function serverMetrics(engine: Engine): Metrics {
  const register = new Registry();
  const registers = [register];
  // The process of HTTP: its memory, its processor time, the lag of its event loop.
  collectDefaultMetrics({ register });
  const durations = new Histogram({
    name: 'whisper_transfer_request_seconds',
    help: 'Seconds from a request to the end of its answer',
    labelNames: ['route', 'status'],
    buckets: BUCKETS,
    registers,
  });
  const uploads = new Counter({
    name: 'whisper_transfer_upload_bytes_total',
    help: 'Bytes of recordings that were uploaded',
    registers,
  });
  const lags = new Histogram({
    name: 'whisper_transfer_live_lag_seconds',
    help: 'Seconds from when a part of a live stream was heard to its text',
    buckets: BUCKETS,
    registers,
  });
  const gauge = (name: string, help: string, value: (status: EngineStatus) => number): void => {
    new Gauge({
      name: `whisper_transfer_${name}`,
      help,
      registers,
      collect() {
        this.set(value(engine.status()));
      },
    });
  };
  const total = (name: string, help: string, value: (status: EngineStatus) => number): void => {
    new Counter({
      name: `whisper_transfer_${name}_total`,
      help,
      registers,
      collect() {
        this.reset();
        this.inc(value(engine.status()));
      },
    });
  };
  gauge('ready', '1 where requests are computed at once', ({ ready }) => Number(ready));
  gauge('queue_requests', 'Requests that wait or are being computed', ({ requests }) => requests);
  gauge('queue_limit', 'The most requests that may wait or be computed', ({ limit }) => limit);
  gauge('live_streams', 'Live streams that are open', ({ streams }) => streams);
  gauge('live_stream_limit', 'The most live streams that may be open', ({ streamLimit }) => streamLimit);
  gauge('engine_resident_memory_bytes', 'Memory of the process that computes', ({ memory }) => memory);
  gauge('engine_models_loaded', 'Models in memory', ({ loaded }) => loaded.length);
  total('engine_restarts', 'Restarts of the process that computes', ({ restarts }) => restarts);
  total('windows', 'Windows of audio decoded', ({ windows }) => windows);
  total('batches', 'Batches of windows decoded; windows per batch is their size', ({ batches }) => batches);
  total('audio_seconds', 'Seconds of audio decoded', ({ audioSeconds }) => audioSeconds);
  return {
    contentType: register.contentType,
    text: () => register.metrics(),
    request: (route, status, seconds) => durations.observe({ route, status }, seconds),
    uploaded: (bytes) => uploads.inc(bytes),
    lag: (seconds) => lags.observe(seconds),
  };
}
