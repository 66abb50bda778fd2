/** Translates sentences: several a request, some requests at once, each answer checked, a doubtful one asked for again. */
import { UserError } from '../errors.ts';
import { inParallel } from '../in-parallel.ts';
import { inBatches, placesBy } from '../lists.ts';
import type { WorkOptions } from '../report/progress.ts';
import { type Budget, requestUsage } from './budget.ts';
import { cleanAnswer, FAULTS, type Fault, faultOf } from './check-answer.ts';
import { RequestFailed } from './endpoint.ts';
import type { TranslationEngine, Usage } from './engine.ts';
import { type Sentence, sentenceKey } from './sentence.ts';

/** A sentence and what was answered, as it came: at most {@link MAX_ANSWERS}, of which the checks take the first good one. */
export interface AnsweredSentence {
  readonly key: string;
  readonly language: string;
  readonly text: string;
  readonly answers: readonly string[];
}

/** A doubtful answer is asked for once more. */
export const MAX_ANSWERS = 2;
/** Characters of a request's sentences: a small model loses count in long ones. */
const MAX_BATCH_CHARACTERS = 4000;
/** Requests in a row that fail before the run ends: the endpoint is gone. */
const MAX_FAILURES = 3;

export type Judged =
  | { readonly text: string; readonly fault?: undefined }
  | { readonly text?: undefined; readonly fault: Fault; readonly answer: string };

/** The first good answer, or the fault of the last; undefined: there is none yet. `loadIdentifier(target)` comes first. */
export function judge(
  sentence: Sentence,
  answers: readonly string[],
  target: string,
  accepted: readonly Fault[] = [],
): Judged | undefined {
  let last: Judged | undefined;
  for (const answer of answers) {
    const fault = faultOf(sentence, answer, target, accepted);
    if (fault === undefined) return { text: cleanAnswer(answer, sentence.text) };
    last = { fault, answer };
  }
  return last;
}

/** Whether a sentence is asked for, or asked for again. */
export const isOpen = (judged: Judged | undefined, answers: readonly string[]): boolean =>
  judged === undefined || (judged.fault !== undefined && answers.length < MAX_ANSWERS);

export interface TranslateOptions extends Pick<WorkOptions, 'signal' | 'onSkip'> {
  readonly target: string;
  /** Sentences of a request. */
  readonly batchSize: number;
  /** Requests at once. */
  readonly concurrency: number;
  readonly accepted?: readonly Fault[];
  readonly budget: Budget;
  readonly countTokens: (text: string) => number;
  /** Answers so far of a sentence, from an earlier run. */
  readonly answered: (key: string) => readonly string[];
  /** Keeps answers as they come; awaited. */
  readonly keep: (answers: readonly AnsweredSentence[]) => Promise<void>;
  /** Called after each request. */
  readonly onRequest?: (request: RequestReport) => void;
}

export interface RequestReport {
  readonly sentences: number;
  readonly used: Usage;
  readonly seconds: number;
}

/**
 * Asks for sentences. Those of a request are in one language. A reply that does not match its sentences is asked for again in
 * halves; an answer with a fault is asked for once more, alone and with the fault.
 * `loadIdentifier(target)` comes first.
 * @param sentences each once, and all {@link isOpen}
 * @returns stopped: the budget did not leave enough for all
 * @throws UserError where every request fails; what was answered is kept
 */
export async function translateSentences(
  engine: TranslationEngine,
  sentences: readonly Sentence[],
  options: TranslateOptions,
): Promise<{ readonly stopped: boolean }> {
  const { target, accepted = [], budget, countTokens, signal, onSkip } = options;
  const doubtful: { sentence: Sentence; answers: readonly string[]; fault: Fault }[] = [];
  let stopped = false;
  let failures = 0;

  /** Asks, and keeps what comes. @param earlier answers of a single sentence */
  async function ask(
    batch: readonly Sentence[],
    stop: AbortSignal,
    earlier: readonly string[] = [],
    fault?: Fault,
  ): Promise<void> {
    const inWords = fault && FAULTS[fault];
    const estimate = requestUsage(engine, batch, countTokens, inWords);
    let reserved = stopped ? undefined : await budget.reserve(estimate);
    // Others may have ended meanwhile, or the run.
    if (reserved && (stopped || stop.aborted)) budget.settle(reserved, undefined);
    if (!reserved || stopped) {
      stopped = true;
      return;
    }
    stop.throwIfAborted();
    /** What got no answer may be charged: it counts, and the next try is set aside anew. */
    const retried = async (): Promise<boolean> => {
      budget.settle(reserved!, reserved);
      reserved = await budget.reserve(estimate);
      if (reserved === undefined) stopped = true;
      return reserved !== undefined;
    };
    let isRefused = false;
    const started = performance.now();
    let used: Usage | undefined;
    let texts: readonly string[] | undefined;
    try {
      const tokens = engine.unit === 'tokens' ? estimate.input + estimate.output : 0;
      const reply = await engine.translate(batch, { fault: inWords, tokens, retried, signal: stop });
      used = reply.usage ?? estimate;
      budget.learn(estimate, used);
      texts = reply.texts ?? (batch.length === 1 ? [''] : undefined);
    } catch (error) {
      if (!(error instanceof RequestFailed)) throw error;
      // It may have been worked on, and be charged.
      if (error.unanswered) used = reserved;
      isRefused = error.refused && batch.length > 1;
      if (!isRefused) {
        const what = batch.length === 1 ? 'a sentence' : `${batch.length} sentences`;
        onSkip?.(`${what} from ${JSON.stringify(batch[0]!.text.slice(0, 60))} on: ${error.message}`);
        if (!stopped && ++failures >= MAX_FAILURES)
          throw new UserError(`${failures} requests in a row failed, the last one: ${error.message}`);
        return;
      }
    } finally {
      if (reserved) budget.settle(reserved, used);
    }
    if (isRefused) return await askHalves(batch, stop);
    failures = 0;
    if (texts === undefined) return await askHalves(batch, stop);
    const answered = batch.map((sentence, i) => ({
      key: sentenceKey(sentence),
      language: sentence.language,
      text: sentence.text,
      answers: [...earlier, texts[i]!],
    }));
    await options.keep(answered);
    for (const [i, { answers }] of answered.entries()) {
      const judged = judge(batch[i]!, answers, target, accepted);
      if (judged?.fault !== undefined && answers.length < MAX_ANSWERS)
        doubtful.push({ sentence: batch[i]!, answers, fault: judged.fault });
    }
    options.onRequest?.({
      sentences: batch.length,
      used: used ?? estimate,
      seconds: (performance.now() - started) / 1000,
    });
  }

  async function askHalves(batch: readonly Sentence[], stop: AbortSignal): Promise<void> {
    const half = Math.ceil(batch.length / 2);
    await ask(batch.slice(0, half), stop);
    await ask(batch.slice(half), stop);
  }

  const fresh: Sentence[] = [];
  for (const sentence of sentences) {
    const answers = options.answered(sentenceKey(sentence));
    const judged = judge(sentence, answers, target, accepted);
    if (judged === undefined) fresh.push(sentence);
    else if (judged.fault !== undefined) doubtful.push({ sentence, answers, fault: judged.fault });
  }
  await inParallel(batchesOf(fresh, options.batchSize), options.concurrency, signal, (batch, stop) =>
    ask(batch, stop),
  );
  const again = doubtful.splice(0);
  await inParallel(again, options.concurrency, signal, ({ sentence, answers, fault }, stop) =>
    ask([sentence], stop, answers, fault),
  );
  return { stopped };
}

/** Sentences of one language, in their order, as many as a request may have. */
function* batchesOf(sentences: readonly Sentence[], size: number): Generator<readonly Sentence[]> {
  for (const places of placesBy(sentences, ({ language }) => language).values()) {
    for (const batch of inBatches(places, size)) {
      let begun: Sentence[] = [];
      let characters = 0;
      for (const place of batch) {
        const sentence = sentences[place]!;
        const own = sentence.text.length + sentence.before.join('').length;
        if (begun.length > 0 && characters + own > MAX_BATCH_CHARACTERS) {
          yield begun;
          begun = [];
          characters = 0;
        }
        begun.push(sentence);
        characters += own;
      }
      if (begun.length > 0) yield begun;
    }
  }
}
