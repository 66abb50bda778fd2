/** Filters against repetition: no-repeat n-grams and a repetition penalty. */
import type { CandidateFilter, Candidates, Hypothesis } from './search.ts';

export class RepetitionControl implements CandidateFilter {
  /**
   * @param ngram forbids n-grams of this length to repeat; 0: does not
   * @param penalty factor of the log probabilities of earlier tokens; 1: no penalty (Keskar et al. 2019)
   */
  constructor(
    private readonly ngram: number,
    private readonly penalty: number,
  ) {}

  /** At most all earlier tokens fall behind, and as many others move up. */
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

  /** Tokens that followed earlier occurrences of the text's last n − 1 tokens. */
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
