const NOT_MEASURED = '–';

/** A duration as `7.3 s`, `42 s`, `1 m 05 s` or `2 h 03 m`; `–` for a number that is none. */
export function formatDuration(seconds: number): string {
  if (!Number.isFinite(seconds) || seconds < 0) return NOT_MEASURED;
  if (seconds < 9.95) return `${seconds.toFixed(1)} s`;
  const whole = Math.round(seconds);
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} m ${twoDigits(whole % 60)} s`;
  const minutes = Math.round(seconds / 60);
  return `${Math.floor(minutes / 60)} h ${twoDigits(minutes % 60)} m`;
}

/** A time in a recording as `00:34:10`. */
export function formatClock(seconds: number): string {
  if (!Number.isFinite(seconds) || seconds < 0) return NOT_MEASURED;
  const whole = Math.floor(seconds);
  return [whole / 3600, (whole / 60) % 60, whole % 60].map((part) => twoDigits(Math.floor(part))).join(':');
}

/** `value` with `digits` decimals and thousands separated by commas; `–` where nothing was measured. */
export function formatNumber(value: number | null | undefined, digits = 0): string {
  if (typeof value !== 'number' || !Number.isFinite(value)) return NOT_MEASURED;
  const text = value.toLocaleString('en', { minimumFractionDigits: digits, maximumFractionDigits: digits });
  return /^-0(\.0*)?$/.test(text) ? text.slice(1) : text;
}

/** Bytes as `12 kB`, `3.1 MB` or `1.54 GB`, in powers of a thousand. */
export function formatBytes(bytes: number): string {
  if (!(bytes >= 999.5e3))
    return bytes >= 999.5 ? `${formatNumber(bytes / 1e3)} kB` : `${formatNumber(bytes)} B`;
  return bytes < 999.95e6 ? `${formatNumber(bytes / 1e6, 1)} MB` : `${formatNumber(bytes / 1e9, 2)} GB`;
}

/** A fraction from 0 to 1 as `12.5 %`. */
export function formatPercent(fraction: number | null | undefined, digits = 0): string {
  const text = formatNumber(typeof fraction === 'number' ? fraction * 100 : fraction, digits);
  return text === NOT_MEASURED ? text : `${text}\u00a0%`;
}

/** English name of the language `code`, such as `ca`; the code itself where it has none. */
export function languageName(code: string): string {
  if (!/^[a-z]{2,3}(-[A-Z][a-z]{3})?(-[A-Z]{2})?$/.test(code)) return code; // DisplayNames throws at other texts
  return new Intl.DisplayNames('en', { type: 'language' }).of(code) ?? code;
}

function twoDigits(value: number): string {
  return String(value).padStart(2, '0');
}

/** Characters that longer texts, such as loops of a decoder, are cut to. */
const MAX_TEXT_LENGTH = 300;

export function shorten(text: string): string {
  const characters = [...text];
  if (characters.length <= MAX_TEXT_LENGTH) return text;
  return `${characters.slice(0, MAX_TEXT_LENGTH).join('')}… (${formatNumber(characters.length)} characters in all)`;
}

/** `text` with its first letter in upper case. */
export const capital = (text: string): string => text.charAt(0).toUpperCase() + text.slice(1);
