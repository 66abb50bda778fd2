/** A row of comma-separated values (RFC 4180), without a line end: cells are quoted where they must be. */
export const csvLine = (cells: readonly string[], delimiter = ','): string =>
  cells
    .map((cell) =>
      cell.includes(delimiter) || /["\r\n]/.test(cell) ? `"${cell.replaceAll('"', '""')}"` : cell,
    )
    .join(delimiter);
