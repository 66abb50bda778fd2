/** Tags and padding around the sound in a file: ID3 (titles, pictures), APE tags, zeros. */

/** Bytes of the tag at the start of `head`, ID3v2 or APE, 0 without one. Another one may follow. */
export function tagLength(head: Uint8Array): number {
  if (head[0] === 0x49 && head[1] === 0x44 && head[2] === 0x33) return id3Length(head);
  return head[0] === 0x41 && head[1] === 0x50 ? apeLength(head) : 0;
}

/** Zeros at the start of `head`: writers leave them between a tag and the sound. */
export function paddingLength(head: Uint8Array): number {
  let count = 0;
  while (head[count] === 0) count++;
  return count;
}

/** Bytes of what stands before the sound: a tag, or zeros after one; 0 where `head` is neither. */
export function leadingLength(head: Uint8Array, afterTag: boolean): number {
  return tagLength(head) || (afterTag ? paddingLength(head) : 0);
}

/** A length has 4 bytes of 7 bits, none of which has its highest set. */
function id3Length(head: Uint8Array): number {
  if (head.length < 10 || head[3] === 0xff || head[4] === 0xff) return 0;
  const [a, b, c, d] = [head[6]!, head[7]!, head[8]!, head[9]!];
  if ((a | b | c | d) > 127) return 0;
  const footer = (head[5]! & 0x10) === 0 ? 0 : 10;
  return 10 + a * 2 ** 21 + b * 2 ** 14 + c * 2 ** 7 + d + footer;
}

/** "APETAGEX", version, length without the header, number of items, flags. */
function apeLength(head: Uint8Array): number {
  if (head.length < 32 || String.fromCharCode(...head.subarray(0, 8)) !== 'APETAGEX') return 0;
  const view = new DataView(head.buffer, head.byteOffset, head.byteLength);
  const isHeader = (view.getUint32(20, true) & 0x2000_0000) !== 0;
  return isHeader ? 32 + view.getUint32(12, true) : 32;
}
