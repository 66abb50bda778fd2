/** Pause for a side's thread pool to stop spinning before the other's turn: it would take a core from it. */
const PAUSE_MS = 400;

const pause = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, PAUSE_MS));

/** A Python program of bench/peers that takes turns with us: one step for each "go". See bench/peers/peer.py. */
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { inRepository } from './result.ts';

/** Python with the packages of bench/peers/requirements.txt; may be absent. */
export const peerPython = (): string =>
  process.env.PEERS_PYTHON ?? inRepository('bench/peers/venv/bin/python');

export interface PeerReply {
  readonly seconds: number;
  readonly [name: string]: unknown;
}

export class Peer {
  private constructor(
    private readonly process: ChildProcessWithoutNullStreams,
    private readonly lines: AsyncIterator<string>,
    private readonly errors: () => string,
    /** Facts that the peer reported about itself, such as `versions`. */
    public facts: Readonly<Record<string, unknown>>,
  ) {}

  /** The peer, ready to step; or in one line why there is none. */
  static async start(script: string, options: readonly string[]): Promise<Peer | string> {
    const python = peerPython();
    if (!existsSync(python)) {
      return `The peer is absent: no ${python}; bench/peers/setup.sh makes it, PEERS_PYTHON names another.`;
    }
    const child = spawn(python, [inRepository(`bench/peers/${script}`), ...options]);
    let stderr = '';
    child.stderr.on('data', (chunk) => {
      stderr = (stderr + chunk).slice(-10_000);
    });
    child.stdin.on('error', () => {}); // The end of its output shows that the peer ended.
    const ended = new Promise<void>((resolve) => {
      child.on('error', () => resolve());
      child.on('close', () => resolve());
    });
    const lines = createInterface(child.stdout)[Symbol.asyncIterator]();
    const peer = new Peer(child, lines, () => stderr.trim().split('\n').at(-1) ?? '', {});
    try {
      peer.facts = await peer.next();
      return peer;
    } catch {
      await ended;
      return `The peer is absent: ${script} did not start (${peer.errors()}); see bench/peers/setup.sh.`;
    }
  }

  /** The peer's turn, with a pause on either side. */
  async step(): Promise<PeerReply> {
    await pause();
    this.process.stdin.write('go\n');
    const reply = (await this.next()) as PeerReply;
    await pause();
    return reply;
  }

  /** @returns peak resident memory in MiB */
  async stop(): Promise<number> {
    this.process.stdin.write('stop\n');
    const summary = await this.next();
    this.process.stdin.end();
    return summary.peak_rss_mb as number;
  }

  get versions(): Record<string, string> {
    return this.facts.versions as Record<string, string>;
  }

  private async next(): Promise<Record<string, unknown>> {
    const { value, done } = await this.lines.next();
    if (done) throw new Error(`the peer ended: ${this.errors()}`);
    return JSON.parse(value);
  }
}
