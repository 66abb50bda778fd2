// @ts-nocheck: this is AssemblyScript, compiled to dist/backend/centroid-interaction.wasm by the build. Pointers are in bytes.

/** Σ weight · value over 16 lanes, added to four sums. @param values uint8 @param weights 16 × int16 */
// @ts-ignore: a decorator of AssemblyScript
@inline
function weighed(sums: v128, values: v128, weights: usize): v128 {
  const low = i32x4.dot_i16x8_s(i16x8.extend_low_i8x16_u(values), v128.load(weights));
  const high = i32x4.dot_i16x8_s(i16x8.extend_high_i8x16_u(values), v128.load(weights, 16));
  return i32x4.add(sums, i32x4.add(low, high));
}

/**
 * Of each bag: Σ over the frames of the source of weight · the largest cosine with a centroid in the bag, and Σ over the centroids
 * of the bag of weight · the largest cosine with a frame of the source.
 * @param cosines uint8 [centroids, frames]
 * @param frames a multiple of 16; those beyond the source have weight 0
 * @param weights int16 [frames]
 * @param best uint8 [centroids]: the largest cosine of each with a frame of the source
 * @param entries centroid and weight, uint16 each, of one bag after the other
 * @param ends uint32 [bags]: number of entries up to the end of each bag
 * @param precision int32 [bags], written
 * @param recall int32 [bags], written
 */
export function interact(
  cosines: usize,
  frames: usize,
  weights: usize,
  best: usize,
  entries: usize,
  ends: usize,
  bags: i32,
  precision: usize,
  recall: usize,
): void {
  let first = entries;
  for (let bag = 0; bag < bags; bag++) {
    const place = (<usize>bag) << 2;
    const end = entries + ((<usize>load<u32>(ends + place)) << 2);
    let sums = i32x4.splat(0);
    let lane: usize = 0;
    // Four registers of frames at a time, so that a centroid is looked up once for 64.
    for (; lane + 64 <= frames; lane += 64) {
      const column = cosines + lane;
      let a = i8x16.splat(0);
      let b = i8x16.splat(0);
      let c = i8x16.splat(0);
      let d = i8x16.splat(0);
      for (let entry = first; entry < end; entry += 4) {
        const row = column + (<usize>load<u16>(entry)) * frames;
        a = i8x16.max_u(a, v128.load(row));
        b = i8x16.max_u(b, v128.load(row, 16));
        c = i8x16.max_u(c, v128.load(row, 32));
        d = i8x16.max_u(d, v128.load(row, 48));
      }
      const at = weights + (lane << 1);
      sums = weighed(sums, a, at);
      sums = weighed(sums, b, at + 32);
      sums = weighed(sums, c, at + 64);
      sums = weighed(sums, d, at + 96);
    }
    for (; lane < frames; lane += 16) {
      const column = cosines + lane;
      let a = i8x16.splat(0);
      for (let entry = first; entry < end; entry += 4) {
        a = i8x16.max_u(a, v128.load(column + (<usize>load<u16>(entry)) * frames));
      }
      sums = weighed(sums, a, weights + (lane << 1));
    }
    let total = 0;
    for (let entry = first; entry < end; entry += 4) {
      total += <i32>load<u16>(entry, 2) * <i32>load<u8>(best + load<u16>(entry));
    }
    store<i32>(
      precision + place,
      i32x4.extract_lane(sums, 0) +
        i32x4.extract_lane(sums, 1) +
        i32x4.extract_lane(sums, 2) +
        i32x4.extract_lane(sums, 3),
    );
    store<i32>(recall + place, total);
    first = end;
  }
}
