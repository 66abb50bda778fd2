/** One service on several machines: each request goes to the one that has least to do. */
import { RequestFailed } from './endpoint.ts';
import type { TranslationEngine } from './engine.ts';

/** An engine, and what messages call its endpoint. */
export interface NamedEngine {
  readonly engine: TranslationEngine;
  readonly name: string;
}

/** Whether an endpoint is away, or never was one: what it was asked for others can do. */
const isAway = (error: unknown): boolean => !(error instanceof RequestFailed) || error.unanswered;

/**
 * Engines of the same service as one; answers are kept by the first. One that is away gets no more requests.
 * @param onNote called with a line where one is left out
 */
export function severalEngines(
  engines: readonly [NamedEngine, ...NamedEngine[]],
  onNote: (note: string) => void,
): TranslationEngine {
  const [{ engine: first }] = engines;
  let there = engines.map((one) => ({ ...one, underWay: 0, asked: 0 }));
  return {
    ...first,
    prepare: async (languages, signal) => {
      for (const { engine } of engines) await engine.prepare?.(languages, signal);
    },
    translate: async (sentences, options) => {
      for (;;) {
        const [one] = there.toSorted((a, b) => a.underWay - b.underWay || a.asked - b.asked);
        one!.underWay++;
        one!.asked++;
        try {
          return await one!.engine.translate(sentences, options);
        } catch (error) {
          options.signal?.throwIfAborted();
          if (!isAway(error)) throw error;
          const others = there.filter((other) => other !== one);
          if (others.length === 0) throw error;
          // Several requests find it out.
          if (others.length < there.length)
            onNote(`${(error as Error).message}; the other endpoints go on without it`);
          there = others;
          if (error instanceof RequestFailed && (await options.retried?.()) === false) throw error;
        } finally {
          one!.underWay--;
        }
      }
    },
  };
}
