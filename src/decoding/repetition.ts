/** Keeps a text from repeating itself, token by token. */
import type { CandidateFilter, Candidates, Hypothesis } from './search.ts';

export class RepetitionControl implements CandidateFilter {
  /**
   * @param ngram no so many tokens come a second time in the same order; 0: they may
   * @param penalty log probabilities of tokens that came before are multiplied by it; 1: no penalty (Keskar et al. 2019)
   */
  constructor(
    private readonly ngram: number,
    private readonly penalty: number,
  ) {}

  /** At most all tokens that came before fall back, and as many others move up. */
  extra(tokens: number): number {
    return tokens;
  }

  apply({ tokens }: Hypothesis, candidates: Candidates): Candidates {
    const before = new Set(tokens);
    const banned = this.#banned(tokens);
    const kept = candidates.tokens.flatMap((token, i) => {
      if (banned.has(token)) return [];
      const logProbability = candidates.logProbabilities[i]!;
      return [{ token, logProbability: before.has(token) ? logProbability * this.penalty : logProbability }];
    });
    kept.sort((a, b) => b.logProbability - a.logProbability);
    return {
      ...candidates,
      tokens: kept.map(({ token }) => token),
      logProbabilities: kept.map(({ logProbability }) => logProbability),
    };
  }

  /** Tokens that followed the text's last n − 1 tokens before. */
  #banned(tokens: readonly number[]): Set<number> {
    const banned = new Set<number>();
    if (this.ngram === 0) return banned;
    const start = tokens.length - (this.ngram - 1);
    for (let i = 0; i + this.ngram <= tokens.length; i++) {
      let same = true;
      for (let k = 0; k < this.ngram - 1 && same; k++) same = tokens[i + k] === tokens[start + k];
      if (same) banned.add(tokens[i + this.ngram - 1]!);
    }
    return banned;
  }
}
