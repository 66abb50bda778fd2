/** Decodes a batch of clips, step by step, until all their texts have ended. */

import type { HostTensor } from '../backend/runtime.ts';
import { largest } from '../extremes.ts';
import type { EncodedClip } from '../whisper/encoded-clip.ts';
import type { WhisperModel } from '../whisper/model.ts';
import type { Alternative, Decoded, DecodingOptions } from './decoding.ts';
import { RepetitionControl } from './repetition.ts';
import {
  averageLogProbability,
  type CandidateFilter,
  type Candidates,
  emptyText,
  type Hypothesis,
  type Search,
} from './search.ts';
import { DecodingSession, type SessionOptions, type StepRequest } from './session.ts';
import { suppression } from './suppression.ts';
import { textOfTokens } from './text-of-tokens.ts';
import { timestampBiases } from './timestamp-rules.ts';

/**
 * The batch is reduced to its live clips when they are at most this share of it: that copies their audio, which costs as much
 * as several steps.
 */
const KEEP_SHARE = 0.6;

/** Steps that CUDA computes in one run, as keys and values pass through the host between runs. */
const STEPS_A_RUN = 16;

/** Outputs of a step that a search needs. */
const CANDIDATES = ['candidates', 'logProbabilities', 'allowed'] as const;

type Answer = Record<(typeof CANDIDATES)[number], HostTensor['data']>;

/** One text of the batch: a live text of a clip. */
interface Row {
  readonly clip: number;
  readonly text: Hypothesis;
}

/** A result of a search. */
interface FoundText extends Omit<Alternative, 'score'> {
  score: number;
  readonly hypothesis: Hypothesis;
}

/** Continuations of the texts, grouped by clip, in the order of the live clips. */
interface Moves {
  /** Row that each text continues. */
  readonly parents: readonly number[];
  readonly tokens: readonly number[];
  /** Indices, among the live clips, of those that have not ended. */
  readonly going: readonly number[];
}

export class DecodingBatch {
  readonly #output;
  readonly #filters: readonly CandidateFilter[];
  readonly #suppression;
  /** Number of texts per clip after the first step. */
  readonly #width: number;
  /** Clips that are still in the batch, and their texts. */
  #live: readonly number[];
  #rows: readonly Row[];

  private constructor(
    private readonly model: WhisperModel,
    private readonly session: DecodingSession,
    private readonly searches: readonly Search[],
    private readonly options: DecodingOptions,
  ) {
    this.#output = model.output(options.vocabulary);
    this.#filters = filtersOf(options);
    this.#suppression = suppression(model, this.#output.ids, options);
    this.#width = searches[0]!.width;
    this.#live = [...searches.keys()];
    this.#rows = searches.map((search, clip) => ({ clip, text: search.live[0]! }));
  }

  /** @param searches one for each clip, all of the same kind */
  static async decode(
    model: WhisperModel,
    clips: readonly EncodedClip[],
    searches: readonly Search[],
    options: DecodingOptions & SessionOptions,
  ): Promise<Decoded[]> {
    const stepsAhead = foreseen(searches[0]!, options)
      ? (options.stepsAhead ?? (model.runtime.device === 'cuda' ? STEPS_A_RUN : undefined))
      : undefined;
    const session = await DecodingSession.start(model, clips, { ...options, stepsAhead });
    try {
      return await new DecodingBatch(model, session, searches, options).#run();
    } finally {
      await session.end();
    }
  }

  async #run(): Promise<Decoded[]> {
    const { answer: first, noSpeech } = await this.#readPrompts();
    let answer: Answer = first;
    for (;;) {
      const moves = await this.#advance(answer);
      if (moves.going.length === 0) break;
      this.options.signal?.throwIfAborted();
      answer = await this.#step(moves);
    }
    const found = this.searches.map((search) => this.#found(search));
    const { rescoring } = this.options;
    if (rescoring) {
      const scores = await rescoring.scores(found);
      found.forEach((texts, clip) => {
        texts.forEach((text, i) => {
          text.score = scores[clip]![i]!;
        });
        texts.sort((a, b) => b.score - a.score);
      });
    }
    return found.map((texts, clip) => this.#decoded(texts, noSpeech[clip]!));
  }

  /** First step, one text for each clip: also reads the probability of no speech after the start of transcript. */
  async #readPrompts(): Promise<{ answer: Answer; noSpeech: number[] }> {
    const { prompts } = this.options;
    const longest = largest(prompts, (prompt) => prompt.length);
    const last = prompts.map((_, i) => (i + 1) * longest - 1);
    const begin = prompts.map(
      (prompt, i) =>
        last[i]! + 1 - prompt.length + Math.max(0, prompt.lastIndexOf(this.model.tokens.startOfTranscript)),
    );
    const question = this.#question(
      [...last, ...begin],
      [...this.#rows, ...this.#rows],
      !this.options.continued,
    );
    const answer = await this.session.readPrompts(prompts, question, [...CANDIDATES, 'noSpeech']);
    return {
      answer,
      noSpeech: prompts.map((_, clip) => Math.exp(Number(answer.noSpeech[prompts.length + clip]))),
    };
  }

  #question(rows: readonly number[], texts: readonly Row[], first: boolean): StepRequest {
    const { suppressed, suppressedAtBegin } = this.#suppression;
    const longest = largest(texts, ({ text }) => text.tokens.length);
    const extra = this.#filters.reduce((sum, filter) => sum + filter.extra(longest), 0);
    return {
      rows,
      suppression: first ? suppressedAtBegin : suppressed,
      count: Math.min(this.#output.ids.length, this.searches[0]!.candidates + extra),
      ...(this.options.withTimestamps && { biases: this.#timestampBiases(texts) }),
    };
  }

  #timestampBiases(texts: readonly Row[]) {
    const { count, timestamps, added } = this.#output.tokens;
    const latestBegin = this.model.settings.generationConfig.max_initial_timestamp_index;
    return timestampBiases(
      texts.map(({ text }) => text.tokens),
      {
        first: this.model.tokens.firstTimestamp,
        count: count - added - timestamps,
        latestBegin: typeof latestBegin === 'number' ? latestBegin : undefined,
      },
    );
  }

  async #advance(answer: Answer): Promise<Moves> {
    const asked = this.#rows.filter(({ clip }) => !this.searches[clip]!.done).map(({ text }) => text);
    for (const filter of this.#filters) await filter.prepare?.(asked);
    // A clip's rows are together, in the order of the live clips.
    const perClip = this.#rows.length / this.#live.length;
    const parents: number[] = [];
    const tokens: number[] = [];
    const going: number[] = [];
    for (const [place, clip] of this.#live.entries()) {
      const search = this.searches[clip]!;
      const begins = place * perClip;
      // Finished texts need no candidates.
      const moves = search.done
        ? []
        : search.advance(Array.from({ length: perClip }, (_, i) => this.#candidates(answer, begins + i)));
      if (moves.length > 0) going.push(place);
      for (let i = 0; i < this.#width; i++) {
        parents.push(begins + (moves[i]?.parent ?? 0));
        tokens.push(moves[i]?.token ?? this.model.tokens.endOfText);
      }
    }
    return { parents, tokens, going };
  }

  #candidates(answer: Answer, row: number): Candidates {
    const perRow = answer.candidates.length / answer.allowed.length;
    const at = (i: number) => row * perRow + i;
    let found: Candidates = {
      tokens: Array.from({ length: perRow }, (_, i) => this.#output.ids[Number(answer.candidates[at(i)])]!),
      logProbabilities: Array.from({ length: perRow }, (_, i) => Number(answer.logProbabilities[at(i)])),
      allowedLogMass: Number(answer.allowed[row]),
    };
    for (const filter of this.#filters) found = filter.apply(this.#rows[row]!.text, found);
    return found;
  }

  async #step({ parents, tokens, going }: Moves): Promise<Answer> {
    const width = this.#width;
    // A text that does not end must not keep the whole batch busy.
    const cut = going.length <= KEEP_SHARE * this.#live.length;
    const stay = cut ? going : [...this.#live.keys()];
    const texts = stay.flatMap((place) => Array.from({ length: width }, (_, i) => place * width + i));
    this.session.selectTexts(parents);
    if (cut) await this.session.selectClips(stay);
    this.#live = stay.map((place) => this.#live[place]!);
    this.#rows = this.#live.flatMap((clip) => {
      const { live } = this.searches[clip]!;
      return Array.from({ length: width }, (_, i) => ({ clip, text: live[i] ?? emptyText }));
    });
    return this.session.step(
      texts.map((i) => tokens[i]!),
      this.#question([...this.#rows.keys()], this.#rows, false),
      CANDIDATES,
    );
  }

  #found(search: Search): FoundText[] {
    return search.results().map(({ hypothesis, score }) => ({
      text: textOfTokens(this.model.tokens, hypothesis.tokens).trim(),
      tokens: hypothesis.tokens,
      score,
      hypothesis,
    }));
  }

  #decoded([best, ...others]: readonly FoundText[], noSpeechProbability: number): Decoded {
    const { hypothesis, text, tokens, score } = best!;
    return {
      tokens,
      text,
      logProbabilities: hypothesis.logProbabilities,
      averageLogProbability: averageLogProbability(hypothesis),
      score,
      finished: hypothesis.finished,
      noSpeechProbability,
      alternatives: others.map(({ text, tokens, score }) => ({ text, tokens, score })),
    };
  }
}

/** Whether a search always goes on with the likeliest token that the decoder allows. */
function foreseen(search: Search, options: DecodingOptions): boolean {
  const isGreedy = search.width === 1 && search.candidates === 1;
  return isGreedy && !options.withTimestamps && filtersOf(options).length === 0;
}

function filtersOf({
  filters = [],
  noRepeatNgram = 0,
  repetitionPenalty = 1,
}: DecodingOptions): CandidateFilter[] {
  const repetition = noRepeatNgram > 0 || repetitionPenalty !== 1;
  return repetition ? [new RepetitionControl(noRepeatNgram, repetitionPenalty), ...filters] : [...filters];
}
