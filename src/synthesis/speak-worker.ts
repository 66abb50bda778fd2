/** A thread that speaks: engines block while they compute, and one that crashes or hangs takes only its thread with it. */
import { parentPort } from 'node:worker_threads';
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

if (!parentPort) throw new Error('internal: synthesis/speak-worker must run as a worker thread');
const port = parentPort;
const opened = new Map<string, Promise<SpeechEngine>>();

function openedEngine(name: string, command: string): Promise<SpeechEngine> {
  const key = `${name} ${command}`;
  const found = opened.get(key) ?? ENGINES.find((engine) => engine.name === name)!.open(command);
  opened.set(key, found);
  return found;
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
