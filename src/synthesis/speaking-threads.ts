/** Threads that speak, one sentence each at a time. A thread that hangs or crashes costs its sentence, and is replaced. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { UserError } from '../errors.ts';
import { builtFile } from '../files/built.ts';
import { endProgram } from '../files/end-program.ts';
import type { EngineKind, EngineVoice, Manner, Sound } from './engines/engine.ts';
import type { Voice } from './engines.ts';
import type { ProgramNotice, SpeakReply, SpeakRequest } from './speak-worker.ts';

/** A sentence of 30 s takes the slowest engine here three. */
const SENTENCE_SECONDS = 60;

/** A sentence that no sound came of; its message is one line. */
export class UnspokenSentence extends UserError {
  override name = 'UnspokenSentence';
}

interface Task {
  readonly request: SpeakRequest;
  readonly resolve: (reply: SpeakReply) => void;
}

/** A thread, and what the end of its sentence calls; undefined: it waits for one. */
interface SpeakingThread {
  readonly worker: Worker;
  end: ((reply: SpeakReply, keeps: boolean) => void) | undefined;
  /** The id of a program that it waits for. */
  program: number | undefined;
}

export class SpeakingThreads {
  readonly #idle: SpeakingThread[] = [];
  readonly #all = new Set<SpeakingThread>();
  readonly #waiting: Task[] = [];
  /** Holds the files of the engines: a thread that is ended cannot remove its own. */
  readonly #folder = mkdtempSync(join(tmpdir(), 'speech-'));
  readonly #tidy = (): void => {
    for (const { program } of this.#all) if (program !== undefined) endProgram(program);
    rmSync(this.#folder, { recursive: true, force: true });
  };
  #closed = false;

  /** @param count threads at most; they begin when they are needed */
  constructor(
    private readonly count: number,
    private readonly sentenceSeconds = SENTENCE_SECONDS,
  ) {
    process.once('exit', this.#tidy);
  }

  /** All voices of an engine. @throws UnspokenSentence where it cannot be loaded */
  async voices({ name }: EngineKind): Promise<readonly EngineVoice[]> {
    const reply = await this.#ask({ type: 'voices', engine: name, command: '' });
    if ('voices' in reply) return reply.voices;
    throw new UnspokenSentence('error' in reply ? reply.error : 'no voices');
  }

  /** @throws UnspokenSentence where the engine fails, crashes, or takes longer than a minute */
  async speak(text: string, { name, engine, command }: Voice, manner: Manner): Promise<Sound> {
    const voice = name.slice(engine.name.length + 1);
    const reply = await this.#ask({ type: 'speak', engine: engine.name, command, text, voice, manner });
    if ('sound' in reply) return reply.sound;
    throw new UnspokenSentence('error' in reply ? reply.error : 'no sound');
  }

  async close(): Promise<void> {
    this.#closed = true;
    for (const { resolve } of this.#waiting.splice(0)) resolve({ error: 'closed' });
    await Promise.all([...this.#all].map(({ worker }) => worker.terminate()));
    process.off('exit', this.#tidy);
    this.#tidy();
  }

  #ask(request: SpeakRequest): Promise<SpeakReply> {
    return new Promise((resolve) => {
      this.#waiting.push({ request, resolve });
      this.#next();
    });
  }

  #next(): void {
    if (this.#waiting.length === 0 || this.#closed) return;
    const thread = this.#idle.pop() ?? (this.#all.size < this.count ? this.#begin() : undefined);
    if (thread) this.#run(thread, this.#waiting.shift()!);
  }

  #begin(): SpeakingThread {
    // Node says of its WASI that it is experimental.
    const worker = new Worker(builtFile('synthesis/speak-worker.js'), {
      workerData: this.#folder,
      execArgv: ['--no-warnings'],
    });
    const thread: SpeakingThread = { worker, end: undefined, program: undefined };
    this.#all.add(thread);
    const fail = (why: string): void => thread.end?.({ error: why }, false);
    worker.on('message', (reply: SpeakReply | ProgramNotice) => {
      if ('program' in reply) thread.program = reply.program;
      else thread.end?.(reply, true);
    });
    worker.on('error', (error) => fail(`crashed: ${String((error as Error).message).split('\n', 1)[0]}`));
    worker.on('exit', (code) => {
      // After the thread's last message: a thread that is ended cannot end it.
      if (thread.program !== undefined) endProgram(thread.program);
      fail(`ended its thread with code ${code}`);
      // Also between two sentences.
      this.#all.delete(thread);
      if (this.#idle.includes(thread)) this.#idle.splice(this.#idle.indexOf(thread), 1);
    });
    return thread;
  }

  #run(thread: SpeakingThread, { request, resolve }: Task): void {
    const timer = setTimeout(
      () => thread.end?.({ error: `took longer than ${this.sentenceSeconds} s` }, false),
      this.sentenceSeconds * 1000,
    );
    thread.end = (reply, keeps) => {
      clearTimeout(timer);
      thread.end = undefined;
      if (keeps) this.#idle.push(thread);
      else {
        this.#all.delete(thread);
        void thread.worker.terminate();
      }
      resolve(reply);
      this.#next();
    };
    thread.worker.postMessage(request);
  }
}
