import { Command, Option } from 'commander';
import { UserError } from '../errors.ts';
import { corpusBleu } from '../evaluation/bleu.ts';
import { corpusChrf } from '../evaluation/chrf.ts';
import { isTargetLanguage, offTargetRate } from '../evaluation/off-target.ts';
import { toSimplified } from '../evaluation/simplified.ts';
import { corpusTer } from '../evaluation/ter.ts';
import { BLEU_TOKENIZERS, type BleuTokenizer } from '../evaluation/tokenizers.ts';
import {
  characterErrorRate,
  type ErrorRate,
  mixedErrorRate,
  wordErrorRate,
} from '../evaluation/word-error-rate.ts';
import { readSentences } from './sentences.ts';

interface ScoreOptions {
  hyp: string;
  ref: string[];
  tokenize?: BleuTokenizer;
  language?: string;
  simplify?: boolean;
  json?: boolean;
}

const HELP = `
A sentence a line, UTF-8. Scores and signatures equal sacreBLEU 2.6.0, error rates jiwer 4.0 (both 0 to 100).
TER splits Chinese characters when BLEU does (tokenizer zh or char). Error rates need exactly one --ref.

Example:
  $ whisper-transfer score --hyp output.txt --ref zh.txt --tokenize zh --language zh --simplify --json
`;

/** Error rate in percent, as the other scores. */
function percent({ rate, hits, substitutions, deletions, insertions }: ErrorRate) {
  return { score: 100 * rate, hits, substitutions, deletions, insertions };
}

/** As sacreBLEU: Chinese targets are split into characters unless told otherwise, all others by the rules of WMT. */
function chooseTokenizer({ tokenize, language }: ScoreOptions, references: string[][]): BleuTokenizer {
  const chosen = tokenize ?? (language === 'zh' || language === 'yue' ? 'zh' : '13a');
  if (chosen !== 'zh' && chosen !== 'char' && offTargetRate(references[0]!, 'zh') < 0.5) {
    process.stderr.write(
      `warning: the references are Chinese, and BLEU with tokenizer ${chosen} is far too low for it; use --tokenize zh\n`,
    );
  }
  return chosen;
}

/** All scores of one output; error rates are null with several references, offTarget without a language. */
function score(hypotheses: string[], references: string[][], options: ScoreOptions) {
  const tokenize = chooseTokenizer(options, references);
  const chinese = tokenize === 'zh' || tokenize === 'char';
  const { language } = options;
  const errors = (rate: typeof wordErrorRate) =>
    references.length === 1 ? percent(rate(hypotheses, references[0]!)) : null;
  const bleu = corpusBleu(hypotheses, references, { tokenize });
  return {
    sentences: hypotheses.length,
    simplified: options.simplify ?? false,
    bleu: { score: bleu.score, signature: bleu.signature },
    chrf: corpusChrf(hypotheses, references),
    'chrf++': corpusChrf(hypotheses, references, { wordOrder: 2 }),
    ter: corpusTer(hypotheses, references, chinese ? { normalized: true, asianSupport: true } : {}),
    wer: errors(wordErrorRate),
    cer: errors(characterErrorRate),
    mixedErrorRate: errors(mixedErrorRate),
    offTarget: language ? { language, score: 100 * offTargetRate(hypotheses, language) } : null,
  };
}

type Scores = ReturnType<typeof score>;

function table(scores: Scores): string {
  const rows: [string, { score: number } | null, string][] = [
    ['BLEU', scores.bleu, scores.bleu.signature],
    ['chrF', scores.chrf, scores.chrf.signature],
    ['chrF++', scores['chrf++'], scores['chrf++'].signature],
    ['TER', scores.ter, scores.ter.signature],
    ['WER', scores.wer, 'words between blanks'],
    ['CER', scores.cer, 'characters, blanks included'],
    ['MER', scores.mixedErrorRate, 'Chinese characters and words'],
    [
      'off-target',
      scores.offTarget,
      `share of ${scores.sentences} outputs not in ${scores.offTarget?.language}`,
    ],
  ];
  return rows
    .filter(([, result]) => result !== null)
    .map(([name, result, note]) => `${name.padEnd(10)} ${result!.score.toFixed(2).padStart(7)}  ${note}\n`)
    .join('');
}

/** `whisper-transfer score`: compares an output file with reference files, line by line. */
export function scoreCommand(): Command {
  return new Command('score')
    .description(
      'score translations or transcripts against references: BLEU, chrF, TER, error rates, off-target rate',
    )
    .requiredOption('--hyp <file>', 'output to score, a sentence a line')
    .requiredOption('--ref <file>', 'reference, repeatable', (file: string, before: string[] = []) => [
      ...before,
      file,
    ])
    .addOption(
      new Option('--tokenize <name>', 'BLEU tokenizer (default: zh with --language zh, else 13a)').choices(
        BLEU_TOKENIZERS,
      ),
    )
    .option('--language <code>', 'target language, to report the share of outputs in another script')
    .option('--simplify', 'turn Traditional into Simplified Chinese on both sides (OpenCC t2s)')
    .option('--json', 'print one line of JSON')
    .addHelpText('after', HELP)
    .action((options: ScoreOptions) => {
      if (options.language) isTargetLanguage('', options.language); // refuse an unknown code before any work
      const files = [options.hyp, ...options.ref];
      const [hypotheses, ...references] = files.map(readSentences);
      references.forEach((reference, i) => {
        if (reference.length !== hypotheses!.length) {
          throw new UserError(
            `${options.ref[i]} has ${reference.length} lines, but ${options.hyp} has ${hypotheses!.length}: each line must be one sentence.`,
          );
        }
      });
      const side = (lines: string[]) => (options.simplify ? lines.map(toSimplified) : lines);
      const scores = score(side(hypotheses!), references.map(side), options);
      process.stdout.write(options.json ? `${JSON.stringify(scores)}\n` : table(scores));
    });
}
