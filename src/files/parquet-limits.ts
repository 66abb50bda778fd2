/** What a Parquet table may ask for. Apart from the decoder, which only the thread loads. */

/** Bytes that are read together, such as a column of a row group of a table that has no index of its pages. */
export const MOST_BYTES = 2 ** 30;
