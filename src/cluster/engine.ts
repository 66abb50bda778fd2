/** The worker's side of the process that computes. */
import type { ChildProcess } from 'node:child_process';
import { forkBuilt } from '../backend/forked.ts';
import type { EngineReply, EngineRequest } from './engine-process.ts';

/** A process that dies as it begins is not started again at once. */
const PAUSE_MS = 500;
/** In which an idle process removes its temporary files. */
const GOODBYE_MS = 1000;

export type Outcome =
  | Exclude<EngineReply, { type: 'begun' }>
  /** The process ended. @property begun whether its model was loaded */
  | { readonly type: 'died'; readonly reason: string; readonly begun: boolean };

export class Engine {
  #child: ChildProcess | undefined;
  #run: string | undefined;
  #startedAt = 0;

  /** @param environment of the process, beside the worker's */
  constructor(private readonly environment: Readonly<Record<string, string>>) {}

  /**
   * Computes one request after the other, in a process for each run: only the first computing thread of a process takes denormals
   * for zero, and so computes the bits of a single process.
   */
  async compute(request: EngineRequest): Promise<Outcome> {
    if (this.#run !== request.run.id) this.close();
    this.#run = request.run.id;
    const child = this.#child ?? (await this.#start());
    const outcome = await new Promise<Outcome>((resolve) => {
      let begun = false;
      const onMessage = (reply: EngineReply) => {
        if (reply.type === 'begun') begun = true;
        else end(reply);
      };
      const onExit = (code: number | null, signal: string | null) =>
        end({ type: 'died', reason: signal ?? `exit code ${code}`, begun });
      const onError = (error: Error) => end({ type: 'died', reason: error.message, begun });
      const end = (outcome: Outcome) => {
        child.off('message', onMessage);
        child.off('exit', onExit);
        child.off('error', onError);
        resolve(outcome);
      };
      child.on('message', onMessage);
      child.on('exit', onExit);
      child.on('error', onError);
      // Gone between two shards.
      if (child.exitCode !== null || child.signalCode !== null) onExit(child.exitCode, child.signalCode);
      else child.send(request, () => {});
    });
    // After a mistake of the program's nothing in it can be trusted.
    if (outcome.type === 'failed' || outcome.type === 'died') this.close();
    return outcome;
  }

  async #start(): Promise<ChildProcess> {
    const pause = this.#startedAt + PAUSE_MS - performance.now();
    if (this.#startedAt > 0 && pause > 0) await new Promise((resolve) => setTimeout(resolve, pause));
    this.#startedAt = performance.now();
    const child = forkBuilt('cluster/engine-process.js', { environment: this.environment });
    // Without a listener an error of sending would end the worker.
    child.on('error', () => {});
    child.once('exit', () => {
      if (this.#child === child) this.#child = undefined;
    });
    this.#child = child;
    return child;
  }

  /** Ends the process: what it computes is lost. One that does not hear of it, as it computes, is ended a second later. */
  close(): void {
    const child = this.#child;
    this.#child = undefined;
    if (!child) return;
    if (child.connected) child.disconnect();
    setTimeout(() => child.kill('SIGKILL'), GOODBYE_MS).unref();
  }
}
