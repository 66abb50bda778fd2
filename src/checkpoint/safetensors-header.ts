/**
 * The header of a .safetensors file: 8 bytes length (little-endian), then JSON that names each tensor's dtype,
 * shape and place among the data that follow. Format: https://github.com/huggingface/safetensors#format
 */
import { UserError } from '../errors.ts';

/** Bytes of one element, for the dtypes that Whisper weights come in. */
export const DTYPE_BYTES = { F32: 4, F16: 2, BF16: 2, I8: 1, U8: 1 } as const;
export type Dtype = keyof typeof DTYPE_BYTES;

/** The header of Whisper's largest model takes 0.2 MB; a length beyond this is a damaged or hostile file. */
export const MAX_HEADER_BYTES = 25_000_000;

/** Place of one tensor in a file. */
export interface TensorEntry {
  readonly name: string;
  readonly dtype: Dtype;
  readonly shape: readonly number[];
  readonly file: string;
  /** First byte, counted from the start of the file. */
  readonly begin: number;
  /** One past the last byte. */
  readonly end: number;
}

/** Number of elements of a tensor of this shape. */
export function elementCount(shape: readonly number[]): number {
  return shape.reduce((product, size) => product * size, 1);
}

/** Checks the first 8 bytes of `file` and returns the header's length. */
export function parseHeaderLength(file: string, prefix: Uint8Array, fileBytes: number): number {
  if (prefix.length < 8) {
    throw new UserError(`${file}: ${fileBytes} bytes long, too short for a safetensors file (8 and more)`);
  }
  const length = new DataView(prefix.buffer, prefix.byteOffset, 8).getBigUint64(0, true);
  if (length > BigInt(MAX_HEADER_BYTES)) {
    throw new UserError(
      `${file}: not a safetensors file: its header would be ${length} bytes, the limit is ${MAX_HEADER_BYTES}`,
    );
  }
  if (Number(length) + 8 > fileBytes) {
    throw new UserError(
      `${file}: cut off: its header is ${length} bytes, but the file is only ${fileBytes} bytes long`,
    );
  }
  return Number(length);
}

/**
 * Reads the header's JSON and checks that the tensors fill the rest of the file exactly: inside it, in no
 * other's place, without holes, each as long as its shape and dtype say.
 *
 * @returns the entries in the order of their data
 */
export function parseHeader(file: string, header: Uint8Array, fileBytes: number): TensorEntry[] {
  let text: string;
  let parsed: unknown;
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(header);
    parsed = JSON.parse(text);
  } catch {
    throw new UserError(`${file}: not a safetensors file: its header is not JSON`);
  }
  if (!isObject(parsed)) throw new UserError(`${file}: its header is not a JSON object of tensors`);
  const repeated = repeatedKey(text);
  if (repeated !== undefined) throw new UserError(`${file}: names tensor "${repeated}" twice`);

  const dataStart = 8 + header.length;
  const dataBytes = fileBytes - dataStart;
  const entries: TensorEntry[] = [];
  for (const [name, value] of Object.entries(parsed)) {
    if (name !== '__metadata__') entries.push(parseEntry(file, name, value, dataStart, dataBytes));
  }
  entries.sort((a, b) => a.begin - b.begin || a.end - b.end);
  let expected = dataStart;
  let previous = '';
  for (const { name, begin, end } of entries) {
    if (begin < expected) throw new UserError(`${file}: tensor "${name}" overlaps tensor "${previous}"`);
    if (begin > expected) {
      throw new UserError(`${file}: ${begin - expected} bytes before tensor "${name}" belong to no tensor`);
    }
    expected = end;
    previous = name;
  }
  if (expected !== fileBytes) {
    throw new UserError(`${file}: ${fileBytes - expected} bytes after the last tensor belong to no tensor`);
  }
  return entries;
}

function parseEntry(
  file: string,
  name: string,
  value: unknown,
  dataStart: number,
  dataBytes: number,
): TensorEntry {
  const fail = (found: string): never => {
    throw new UserError(`${file}: tensor "${name}": ${found}`);
  };
  if (!isObject(value)) return fail('its entry is not an object with dtype, shape and data_offsets');
  const { dtype, shape, data_offsets: offsets } = value;
  if (typeof dtype !== 'string' || !Object.hasOwn(DTYPE_BYTES, dtype)) {
    return fail(
      `dtype ${JSON.stringify(dtype)} is not supported, only ${Object.keys(DTYPE_BYTES).join(', ')}`,
    );
  }
  if (!isSizes(shape)) return fail(`shape ${brief(shape)} is not a list of whole numbers of 0 and more`);
  if (!isSizes(offsets) || offsets.length !== 2 || offsets[0]! > offsets[1]!) {
    return fail(`data_offsets ${brief(offsets)} are not [begin, end] with 0 ≤ begin ≤ end`);
  }
  const [begin, end] = offsets as [number, number];
  if (end > dataBytes) {
    return fail(`cut off: its data end at byte ${end}, but the file holds only ${dataBytes} bytes of data`);
  }
  const bytes = elementCount(shape) * DTYPE_BYTES[dtype as Dtype];
  if (bytes !== end - begin) {
    return fail(`${dtype} ${brief(shape)} needs ${bytes} bytes, but its data_offsets span ${end - begin}`);
  }
  return { name, dtype: dtype as Dtype, shape, file, begin: dataStart + begin, end: dataStart + end };
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isSizes(value: unknown): value is number[] {
  return Array.isArray(value) && value.every((size) => Number.isSafeInteger(size) && size >= 0);
}

/** Values from a hostile file can be megabytes long; a message is one line. */
function brief(value: unknown): string {
  const text = JSON.stringify(value) ?? 'undefined';
  return text.length > 80 ? `${text.slice(0, 80)}…` : text;
}

/** The first key that valid JSON gives twice at its top level: JSON.parse would silently keep the last. */
function repeatedKey(json: string): string | undefined {
  const seen = new Set<string>();
  let depth = 0;
  let expectsKey = true;
  for (let at = 0; at < json.length; at++) {
    const character = json[at];
    if (character === '"') {
      const start = at++;
      while (json[at] !== '"') at += json[at] === '\\' ? 2 : 1;
      if (depth !== 1 || !expectsKey) continue;
      const key = JSON.parse(json.slice(start, at + 1)) as string;
      if (seen.has(key)) return key;
      seen.add(key);
      expectsKey = false;
    } else if (character === '{' || character === '[') depth++;
    else if (character === '}' || character === ']') depth--;
    else if (character === ',' && depth === 1) expectsKey = true;
  }
  return undefined;
}
