/** Threads that measure recordings: decoders and the voice detector block theirs while they compute. */
import { Worker } from 'node:worker_threads';
import { archives } from '../audio/gunzipped.ts';
import { UserError } from '../errors.ts';
import { builtFile } from '../files/built.ts';
import { hashOf } from '../seen-hashes.ts';
import type { SoundMeasures } from './measure-sound.ts';
import type { MeasureReply, MeasureRequest } from './measure-worker.ts';

interface Waiting {
  resolve(measures: SoundMeasures): void;
  reject(error: Error): void;
}

interface MeasuringThread {
  readonly worker: Worker;
  readonly waiting: Map<number, Waiting>;
}

export class MeasuringThreads {
  readonly #threads: (MeasuringThread | undefined)[];
  #requests = 0;

  /** @param count threads at most; they begin when they are needed */
  constructor(count: number) {
    this.#threads = Array.from({ length: count }, () => undefined);
  }

  /**
   * As measureSound.
   * @param recording that it is a part of: its parts go to one thread, which may have to decode it from its beginning
   */
  measure(audio: string, recording?: string): Promise<SoundMeasures> {
    const { worker, waiting } = this.#threadFor(recording);
    return new Promise((resolve, reject) => {
      const id = this.#requests++;
      waiting.set(id, { resolve, reject });
      worker.postMessage({ id, audio } satisfies MeasureRequest);
    });
  }

  /** Ends the threads; what they measure is rejected. */
  async close(): Promise<void> {
    await Promise.all(this.#threads.map((thread) => thread?.worker.terminate()));
  }

  /** Of no recording the one with least to do. */
  #threadFor(recording: string | undefined): MeasuringThread {
    const loads = this.#threads.map((thread) => thread?.waiting.size ?? 0);
    const least = loads.indexOf(Math.min(...loads)); // few: one a thread
    const place = recording === undefined ? least : hashOf(recording) % loads.length;
    return (this.#threads[place] ??= this.#begin(place));
  }

  #begin(place: number): MeasuringThread {
    const worker = new Worker(builtFile('checks/measure-worker.js'), {
      workerData: archives.folder,
      execArgv: [],
    });
    const waiting = new Map<number, Waiting>();
    const fail = (why: string): void => {
      for (const { reject } of waiting.values()) reject(new Error(why));
      waiting.clear();
      // Another one begins in its place.
      this.#threads[place] = undefined;
    };
    worker.on('message', ({ id, measures, unreadable, failure }: MeasureReply) => {
      const { resolve, reject } = waiting.get(id)!;
      waiting.delete(id);
      if (measures) resolve(measures);
      else reject(unreadable === undefined ? new Error(failure) : new UserError(unreadable));
    });
    worker.on('error', (error) => fail(`a measuring thread crashed: ${(error as Error).message}`));
    worker.on('exit', (code) => fail(`a measuring thread ended with code ${code}`));
    return { worker, waiting };
  }
}
