/** The line of a cue's times in SRT and WebVTT. */

const TIME = String.raw`(-?)(?:(\d{1,4}):)?(\d{1,2}):(\d{1,2})(?:[.,](\d{1,6}))?`;
/** Behind it WebVTT has settings and some SRT a position. */
const LINE = new RegExp(`^\\s*${TIME}\\s*-->\\s*${TIME}(?:\\s|$)`);

/** Seconds, or what is wrong: `found the times "…"; expected …`. */
export function timesOf(line: string): { readonly start: number; readonly end: number } | string {
  const found = LINE.exec(line);
  if (!found) {
    return `found the times ${JSON.stringify(line.trim().slice(0, 40))}; expected 00:01:02,500 --> 00:01:05,000`;
  }
  const secondsAt = (at: number): number => {
    const [sign, hours = '0', minutes, seconds, fraction = '0'] = found.slice(at, at + 5);
    const value = Number(hours) * 3600 + Number(minutes) * 60 + Number(`${seconds}.${fraction}`);
    return sign === '-' ? -value : value;
  };
  return { start: secondsAt(1), end: secondsAt(6) };
}
