/** MeCab with the IPA dictionary, from the package mecab-wasm: Japanese words as sacreBLEU's `ja-mecab` has them. */
import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { compileFunction } from 'node:vm';
import { UserError } from '../errors.ts';

/** The part of the Emscripten module in use. Pointers are offsets into its memory. */
interface MecabModule {
  readonly HEAPU8: Uint8Array;
  _malloc(bytes: number): number;
  _free(pointer: number): void;
  ccall(name: string, returns: 'number', types: string[], values: (number | string)[]): number;
}

/** Folder of the package's files. Not found by its name: its `exports` field is not one that Node accepts. */
function packageFolder(): string {
  const folders = createRequire(import.meta.url).resolve.paths('mecab-wasm') ?? [];
  const found = folders
    .map((folder) => join(folder, 'mecab-wasm', 'lib'))
    .find((folder) => existsSync(folder));
  if (found === undefined) {
    throw new UserError(
      'BLEU tokenizer ja-mecab: the package mecab-wasm (57 MB) is not installed: npm install mecab-wasm@1.0.3, or choose tokenizer char.',
    );
  }
  return found;
}

/**
 * Loads MeCab and gives the function that writes blanks between the words of a line (`-Owakati`).
 *
 * The package is built for browsers: its script is a module that refuses to start where it sees Node's `process`. So it
 * is compiled as a function that sees a page instead, and is given its files rather than their addresses.
 * @throws UserError when the package is not installed
 */
export async function loadMecab(): Promise<(line: string) => string> {
  const folder = packageFolder();
  const script = readFileSync(join(folder, 'libmecab.js'), 'utf8')
    .replaceAll('import.meta.url', "'file:///'")
    .replace('export default Module;', 'return Module;');
  const start = compileFunction(script, ['process', 'window', 'document'])(undefined, {
    location: { pathname: '/' },
    encodeURIComponent,
  }) as (options: object) => Promise<MecabModule>;
  const dictionary = new Uint8Array(readFileSync(join(folder, 'libmecab.data')));
  const mecab = await start({
    wasmBinary: readFileSync(join(folder, 'libmecab.wasm')),
    getPreloadedPackage: () => dictionary.buffer,
    locateFile: (name: string) => name,
  });
  const tagger = mecab.ccall('mecab_new2', 'number', ['string'], ['-Owakati']);
  const encoder = new TextEncoder();
  const decoder = new TextDecoder('utf-8', { ignoreBOM: true });
  return (line) => {
    const bytes = encoder.encode(line);
    // A blank after each word, which has a byte at least; a line end, a zero, and one that MeCab leaves free
    const room = 2 * bytes.length + 3;
    const input = mecab._malloc(bytes.length + room);
    mecab.HEAPU8.set(bytes, input);
    const values = [tagger, input, bytes.length, input + bytes.length, room];
    const types = values.map(() => 'number');
    const output = mecab.ccall('mecab_sparse_tostr3', 'number', types, values);
    if (output === 0) throw new Error(`MeCab gives no words for a line of ${bytes.length} bytes.`);
    // Its own UTF8ToString would drop a byte order mark.
    const words = decoder.decode(mecab.HEAPU8.subarray(output, mecab.HEAPU8.indexOf(0, output)));
    mecab._free(input);
    return words;
  };
}
