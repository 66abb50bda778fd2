/** A count of tokens by the tokenizer at hand, Whisper's: an estimate of any other model's. */
import { embeddedModel } from '../checkpoint/embedded.ts';
import { readTokenizer } from '../checkpoint/tokenizer-files.ts';
import { Tokens } from '../whisper/tokens.ts';

export async function loadTokenCounter(): Promise<(text: string) => number> {
  const { file, tokenizer } = await readTokenizer(embeddedModel);
  const tokens = new Tokens(file, tokenizer);
  return (text) => tokens.encode(text).length;
}
