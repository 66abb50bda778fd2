/** A thread that measures recordings. */
import { parentPort, workerData } from 'node:worker_threads';
import { archives } from '../audio/gunzipped.ts';
import { UserError } from '../errors.ts';
import { measureSound, type SoundMeasures } from './measure-sound.ts';

export interface MeasureRequest {
  readonly id: number;
  readonly audio: string;
}
export interface MeasureReply {
  readonly id: number;
  readonly measures?: SoundMeasures;
  /** Message of a UserError. */
  readonly unreadable?: string;
  /** Of any other error. */
  readonly failure?: string;
}

if (!parentPort) throw new Error('internal: checks/measure-worker must run as a worker thread');
const port = parentPort;
archives.folder = workerData as string | undefined;

port.on('message', ({ id, audio }: MeasureRequest) => {
  const reply = (found: Omit<MeasureReply, 'id'>): void => port.postMessage({ id, ...found });
  measureSound(audio).then(
    (measures) => reply({ measures }),
    (error: unknown) =>
      reply(
        error instanceof UserError
          ? { unreadable: error.message }
          : { failure: error instanceof Error ? (error.stack ?? error.message) : String(error) },
      ),
  );
});
