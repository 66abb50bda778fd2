/** The microphone. */
import { Failure } from './api.ts';
import type { CapturedSound } from './capture-worklet.ts';

export interface Microphone {
  /** Samples a second, as the device gives them: the server resamples. */
  readonly rate: number;
  /** Ends when all that was heard was handed over. */
  stop(): Promise<void>;
}

/**
 * Opens the microphone.
 * @param onEnd the device was taken away
 * @throws Failure
 */
export async function openMicrophone(
  onSound: (sound: CapturedSound) => void,
  onEnd: () => void,
): Promise<Microphone> {
  const stream = await microphoneStream();
  const context = new AudioContext();
  await context.audioWorklet.addModule(new URL('./capture-worklet.js', import.meta.url));
  const source = context.createMediaStreamSource(stream);
  const capture = new AudioWorkletNode(context, 'capture', { numberOfOutputs: 0 });
  let ended = (): void => {};
  capture.port.onmessage = ({ data }: MessageEvent<CapturedSound | 'end'>) =>
    data === 'end' ? ended() : onSound(data);
  source.connect(capture);
  for (const track of stream.getTracks()) track.onended = onEnd;
  await context.resume();
  return {
    rate: context.sampleRate,
    async stop() {
      for (const track of stream.getTracks()) track.stop();
      await new Promise<void>((resolve) => {
        ended = resolve;
        capture.port.postMessage('end');
      });
      await context.close();
    },
  };
}

async function microphoneStream(): Promise<MediaStream> {
  if (!isSecureContext || !navigator.mediaDevices) {
    throw new Failure(
      'Browsers give the microphone only to pages at https or at localhost. Open this page there, or start the server with --tls-cert and --tls-key. Recordings can be dropped here as well.',
      'refused',
    );
  }
  try {
    return await navigator.mediaDevices.getUserMedia({
      audio: { channelCount: 1, echoCancellation: true, noiseSuppression: true, autoGainControl: true },
    });
  } catch (error) {
    const why: Readonly<Record<string, string>> = {
      NotAllowedError:
        'The browser does not let this page hear the microphone. Allow it beside the address, and press the button again.',
      NotFoundError: 'No microphone was found. Connect one, and press the button again.',
      NotReadableError: 'The microphone cannot be opened: another program may hold it.',
    };
    const { name, message } = error as Error;
    throw new Failure(why[name] ?? `The microphone cannot be opened: ${message}`, 'refused');
  }
}
