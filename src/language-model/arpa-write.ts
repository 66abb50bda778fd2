/** Writes trained language models in ARPA format. */
import { open } from 'node:fs/promises';
import { replaceWhole, writing } from '../files/write-whole.ts';
import type { NgramCounter } from './count.ts';
import type { SmoothedOrder } from './kneser-ney.ts';

const LINES_PER_WRITE = 50_000;

/**
 * @param onProgress called with the number of n-grams written
 * @throws UserError where the file cannot be written
 */
export async function writeArpa(
  path: string,
  { words, orders }: NgramCounter,
  smoothed: readonly SmoothedOrder[],
  onProgress?: (written: number) => void,
): Promise<void> {
  const write = async (incomplete: string): Promise<void> => {
    const file = await open(incomplete, 'w');
    try {
      const header = orders.map(({ count }, i) => `ngram ${i + 1}=${count.length}\n`);
      await file.write(`\\data\\\n${header.join('')}`);
      let written = 0;
      for (const [i, { probability, backoff }] of smoothed.entries()) {
        const text = ngramTexts(words, orders.slice(0, i + 1));
        const size = orders[i]!.count.length;
        await file.write(`\n\\${i + 1}-grams:\n`);
        for (let start = 0; start < size; start += LINES_PER_WRITE) {
          const end = Math.min(size, start + LINES_PER_WRITE);
          let lines = '';
          for (let ngram = start; ngram < end; ngram++) {
            lines += `${log10(probability[ngram]!)}\t${text(ngram)}`;
            lines += i < smoothed.length - 1 ? `\t${log10(backoff[ngram]!)}\n` : '\n';
          }
          await file.write(lines);
          onProgress?.((written += end - start));
        }
      }
      await file.write('\n\\end\\\n');
    } finally {
      await file.close();
    }
  };
  await writing(path, () => replaceWhole(path, write));
}

/** The n-grams of the highest of `orders`, as words with blanks between. */
function ngramTexts(words: readonly string[], orders: NgramCounter['orders']): (ngram: number) => string {
  const columns = orders.map(({ context, word }) => ({ context: context.values, word: word.values }));
  return (ngram) => {
    let text = '';
    for (let i = columns.length - 1, at = ngram; i >= 0; i--) {
      const word = words[columns[i]!.word[at]!]!;
      text = text === '' ? word : `${word} ${text}`;
      at = columns[i]!.context[at]!;
    }
    return text;
  };
}

/** Six decimals: 2e-6 of the probability, and short lines. */
function log10(probability: number): number {
  return Math.min(0, Math.round(Math.log10(probability) * 1e6) / 1e6);
}
