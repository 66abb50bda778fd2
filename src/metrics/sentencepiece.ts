/** SentencePiece (Kudo and Richardson, 2018) as sacreBLEU uses it: Google's own code, built to WebAssembly. */
import { existsSync, statSync } from 'node:fs';
import { createRequire } from 'node:module';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { UserError } from '../errors.ts';

/** Names of the model files in sacreBLEU's cache; the second is the one under which Meta published the model. */
const CACHED_MODELS = {
  flores101: ['sacrebleu_tokenizer_spm.model'],
  flores200: ['flores200sacrebleuspm', 'flores200_sacrebleu_tokenizer_spm.model'],
};

/**
 * The model that sacreBLEU downloaded, in `$SACREBLEU/models` or `~/.sacrebleu/models`.
 * @throws UserError when there is none
 */
export function cachedSentencePieceModel(tokenizer: keyof typeof CACHED_MODELS): string {
  const folder = join(process.env.SACREBLEU ?? join(homedir(), '.sacrebleu'), 'models');
  const files = CACHED_MODELS[tokenizer].map((name) => join(folder, name));
  const found = files.find((file) => existsSync(file));
  if (found === undefined)
    throw new UserError(
      `BLEU tokenizer ${tokenizer}: expected its SentencePiece model in ${files[0]}, where sacreBLEU keeps it; give another place with --spm-model.`,
    );
  return found;
}

/**
 * Loads a model and gives the function that splits a line into its pieces, whichever model it is. The pieces
 * equal those of the Python package up to version 0.2.1; from 0.2.2 on it breaks ties between paths of one score
 * otherwise. U+FEFF at the start of a long piece is lost, if the model's normaliser leaves any (the usual ones make it
 * a blank).
 * @throws UserError when the file is missing or is no SentencePiece model
 */
export async function loadSentencePiece(file: string): Promise<(line: string) => string[]> {
  if (!statSync(file, { throwIfNoEntry: false })?.isFile())
    throw new UserError(`${file}: no such file; expected a SentencePiece model.`);
  const { SentencePieceProcessor } = createRequire(import.meta.url)('@agnai/sentencepiece-js') as {
    SentencePieceProcessor: new () => {
      load(file: string): Promise<void>;
      encodePieces(text: string): string[];
    };
  };
  const processor = new SentencePieceProcessor();
  await processor.load(file);
  // It reports no error for a file that it cannot parse, but then has no pieces.
  if (processor.encodePieces('a').length === 0) throw new UserError(`${file}: not a SentencePiece model.`);
  return (line) => processor.encodePieces(line);
}
