/** A thread that speaks: engines block while they compute, and one that crashes or hangs takes only its thread with it. */
import { mkdtempSync } from 'node:fs';
import { join } from 'node:path';
import { parentPort, workerData } from 'node:worker_threads';
import type { EngineVoice, Manner, Sound, SpeechEngine } from './engines/engine.ts';
import { ENGINES } from './engines.ts';

export type SpeakRequest = { readonly engine: string; readonly command: string } & (
  | { readonly type: 'voices' }
  | { readonly type: 'speak'; readonly text: string; readonly voice: string; readonly manner: Manner }
);
export type SpeakReply =
  | { readonly voices: readonly EngineVoice[] }
  | { readonly sound: Sound }
  | { readonly error: string };
/** The id of a program that the thread waits for: it is to end with the thread. Undefined: none. */
export interface ProgramNotice {
  readonly program: number | undefined;
}

if (!parentPort) throw new Error('internal: synthesis/speak-worker must run as a worker thread');
const port = parentPort;
const opened = new Map<string, Promise<SpeechEngine>>();

function openedEngine(name: string, command: string): Promise<SpeechEngine> {
  const key = `${name} ${command}`;
  let engine = opened.get(key);
  if (!engine) {
    const folder = mkdtempSync(join(workerData as string, `${name}-`));
    engine = ENGINES.find((one) => one.name === name)!.open(folder, command, (program) =>
      port.postMessage({ program } satisfies ProgramNotice),
    );
    opened.set(key, engine);
  }
  return engine;
}

async function answer(request: SpeakRequest): Promise<SpeakReply> {
  const engine = await openedEngine(request.engine, request.command);
  if (request.type === 'voices') return { voices: engine.voices };
  return { sound: await engine.speak(request.text, request.voice, request.manner) };
}

port.on('message', (request: SpeakRequest) => {
  answer(request).then(
    (reply) => {
      const transfer = 'sound' in reply ? [reply.sound.samples.buffer as ArrayBuffer] : [];
      port.postMessage(reply, transfer);
    },
    (error: unknown) => {
      const message = error instanceof Error ? error.message : String(error);
      port.postMessage({ error: message.split('\n', 1)[0]! } satisfies SpeakReply);
    },
  );
});
