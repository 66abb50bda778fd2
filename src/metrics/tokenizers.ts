import { UserError } from '../errors.ts';
import { languageProfile } from '../language/profile.ts';
import { splitWords, trim } from '../language/whitespace.ts';

/** sacreBLEU's tokenizers that are rules. Chinese output must be scored with `zh` (or `char`). */
export const RULE_TOKENIZERS = ['13a', 'zh', 'char', 'intl', 'none'] as const;
/** Those that need a model or a dictionary: `loadBleuTokenizer` first. */
export const MODEL_TOKENIZERS = ['flores101', 'flores200', 'ja-mecab'] as const;
export const BLEU_TOKENIZERS = [...RULE_TOKENIZERS, ...MODEL_TOKENIZERS] as const;
export type BleuTokenizer = (typeof BLEU_TOKENIZERS)[number];
type RuleTokenizer = (typeof RULE_TOKENIZERS)[number];

const PUNCTUATION = /([{-~[-` -&(-+:-@/])/gu;
const PERIOD_AFTER_NON_DIGIT = /([^0-9])([.,])/gu;
const PERIOD_BEFORE_NON_DIGIT = /([.,])([^0-9])/gu;
const DASH_AFTER_DIGIT = /([0-9])(-)/gu;

/** The rules that mteval-v13a and the `zh` tokenizer share. Splitting on white space is left to the caller. */
function splitWesternPunctuation(line: string): string {
  return line
    .replace(PUNCTUATION, ' $1 ')
    .replace(PERIOD_AFTER_NON_DIGIT, '$1 $2 ')
    .replace(PERIOD_BEFORE_NON_DIGIT, ' $1 $2')
    .replace(DASH_AFTER_DIGIT, '$1 $2 ');
}

function mteval13a(line: string): string {
  let text = line.replaceAll('<skipped>', '').replaceAll('-\n', '').replaceAll('\n', ' ');
  text = text
    .replaceAll('&quot;', '"')
    .replaceAll('&amp;', '&')
    .replaceAll('&lt;', '<')
    .replaceAll('&gt;', '>');
  return splitWesternPunctuation(` ${text} `);
}

/**
 * Characters that sacreBLEU 2.6 treats as Chinese. Its table writes the two supplementary ranges as `'\u20000'`,
 * which Python reads as U+2000 followed by "0"; compared as strings they become U+2001 to U+2A6D and U+2F81 to
 * U+2FA1. So dashes, ellipses, curly quotes and arrows are split off, and Extension B is not. Kept, as scores
 * are only comparable with others' if the mistake is the same.
 */
const CHINESE =
  /[\u2001-\u2a6d\u2e80-\u2fdf\u2ff0-\u303f\u3100-\u312f\u31a0-\u31bf\u31c0-\u31ef\u3200-\u4db5\u4e00-\u9fbb\uf900-\ufa2d\ufa30-\ufa6a\ufa70-\ufad9\ufe10-\ufe1f\ufe30-\ufe4f\uff00-\uffef]/gu;

function chinese(line: string): string {
  return splitWesternPunctuation(trim(line).replace(CHINESE, ' $& '));
}

/** mteval-v14's international rules: by Unicode category, entities left alone. */
function international(line: string): string {
  return line
    .replace(/(\P{N})(\p{P})/gu, '$1 $2 ')
    .replace(/(\p{P})(\P{N})/gu, ' $1 $2')
    .replace(/\p{S}/gu, ' $& ');
}

const RULES: Record<RuleTokenizer, (line: string) => string> = {
  '13a': mteval13a,
  zh: chinese,
  char: (line) => Array.from(line).join(' '),
  intl: international,
  none: (line) => line,
};

interface LoadedTokenizer {
  /** Path of the model, or name of the package. */
  readonly source: string;
  readonly split: (line: string) => string;
}

const loaded = new Map<BleuTokenizer, LoadedTokenizer>();

const isRule = (name: BleuTokenizer): name is RuleTokenizer => name in RULES;

/**
 * Loads the model of a tokenizer, once; BLEU then accepts its name. Rule tokenizers need none.
 * @param spmModel SentencePiece model of flores101 or flores200; default: the one in sacreBLEU's cache
 * @throws UserError when the model or the package is missing, or the file is no model
 */
export async function loadBleuTokenizer(name: BleuTokenizer, spmModel?: string): Promise<void> {
  if (spmModel !== undefined && name !== 'flores101' && name !== 'flores200')
    throw new UserError(`--spm-model goes with tokenizer flores101 or flores200, not ${name}.`);
  if (isRule(name)) return;
  if (name === 'ja-mecab') {
    if (loaded.has(name)) return;
    const { loadMecab } = await import('./mecab.ts');
    const split = await loadMecab();
    loaded.set(name, { source: 'mecab-wasm', split: (line) => split(trim(line)) });
    return;
  }
  const { cachedSentencePieceModel, loadSentencePiece } = await import('./sentencepiece.ts');
  const source = spmModel ?? cachedSentencePieceModel(name);
  if (loaded.get(name)?.source === source) return;
  const pieces = await loadSentencePiece(source);
  loaded.set(name, { source, split: (line) => pieces(line).join(' ') });
}

/** The tokenizer for texts in a language, as far as it is loaded: `char` for Japanese without MeCab. */
export function bleuTokenizerOf(language: string): BleuTokenizer {
  const { bleuTokenizer } = languageProfile(language);
  return isRule(bleuTokenizer) || loaded.has(bleuTokenizer) ? bleuTokenizer : 'char';
}

/** How sacreBLEU's signature names a tokenizer. */
export const tokenizerSignature = (name: BleuTokenizer): string =>
  name === 'ja-mecab' ? 'ja-mecab-0.996-IPA' : name;

/**
 * Tokens of one line, exactly as `sacrebleu --tokenize NAME` (2.6.0) splits it.
 * @throws UserError for a tokenizer whose model is not loaded
 */
export function tokenizeForBleu(line: string, tokenizer: BleuTokenizer): string[] {
  const split = isRule(tokenizer) ? RULES[tokenizer] : loaded.get(tokenizer)?.split;
  if (split === undefined)
    throw new UserError(`BLEU tokenizer ${tokenizer} is not loaded: call loadBleuTokenizer first.`);
  return splitWords(split(line));
}
