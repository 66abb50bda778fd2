/**
 * A thread that steps a part of the parameters. Its moments stay with it; parameters and gradients, which graphs read and write,
 * are handed over with each request and back with its reply, without a copy: onnxruntime takes no memory that two threads
 * share.
 */
import { parentPort } from 'node:worker_threads';
import { Arena, type StepFactors } from './adamw-arena.ts';

/** Values of all parameters of an arena, or their gradients. */
type Values = Float32Array<ArrayBuffer>;

/** For the arena that was created as the nth. */
export type ArenaRequest = { readonly arena: number } & (
  | { readonly type: 'create'; readonly count: number; readonly accumulates: boolean }
  | { readonly type: 'sum-of-squares'; readonly gradients: Values }
  | {
      readonly type: 'accumulate';
      readonly gradients: Values;
      readonly share: number;
      readonly reset: boolean;
    }
  | {
      readonly type: 'step';
      readonly parameters: Values;
      readonly gradients: Values;
      readonly factors: StepFactors;
    }
  | { readonly type: 'moments' }
  | { readonly type: 'set-moments'; readonly means: Values; readonly squares: Values }
);

export interface ArenaReply {
  readonly parameters?: Values;
  readonly gradients?: Values;
  readonly means?: Values;
  readonly squares?: Values;
  readonly sum?: number;
}

if (!parentPort) throw new Error('internal: backend/adamw-thread must run as a worker thread');
const port = parentPort;
const arenas: Arena[] = [];

function handle(request: ArenaRequest): ArenaReply {
  const arena = arenas[request.arena]!;
  switch (request.type) {
    case 'create':
      arenas.push(new Arena(request.count, request.accumulates, 'foreign'));
      return {};
    case 'sum-of-squares': {
      const { gradients } = request;
      return { gradients, sum: arena.sumOfSquares(gradients) };
    }
    case 'accumulate': {
      const { gradients, share, reset } = request;
      arena.accumulate(share, reset, gradients);
      return { gradients };
    }
    case 'step': {
      const { parameters, gradients, factors } = request;
      arena.step(factors, parameters, gradients);
      return { parameters, gradients };
    }
    case 'moments':
      return {
        means: arena.means(0, arena.count).slice(),
        squares: arena.squares(0, arena.count).slice(),
      };
    case 'set-moments':
      arena.means(0, arena.count).set(request.means);
      arena.squares(0, arena.count).set(request.squares);
      return {};
  }
}

port.on('message', (request: ArenaRequest) => {
  const reply = handle(request);
  const { parameters, gradients, means, squares } = reply;
  const transfer = [parameters, gradients, means, squares].flatMap((values) => values?.buffer ?? []);
  port.postMessage(reply, transfer);
});
