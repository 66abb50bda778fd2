// A control character draws nothing in a page, and in a terminal it may move the cursor or change colours.
// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what this looks for
const CONTROL_CHARACTERS = /[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f\ufffe\uffff]/g;

// Overrides of the writing direction and invisible separators let a transcript rewrite the text around it.
const DIRECTION_OVERRIDES = /[\u202a-\u202e\u2066-\u2069]/g;

const ENTITIES: Record<string, string> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

/** `text` with whatever would act rather than be read replaced by U+FFFD; tabs and line ends are kept. */
export function withoutControls(text: string): string {
  return text.replace(CONTROL_CHARACTERS, '\ufffd').replace(DIRECTION_OVERRIDES, '\ufffd');
}

/** Longest text of a stranger in a message, in characters. */
const MAX_PRINTABLE = 200;

/** The text of a stranger, such as a server, in a message: one line, without control characters, cut where it is long. */
export function printable(text: string): string {
  // What is cut off anyway, up to megabytes, is not looked through.
  const line = withoutControls(text.slice(0, 4 * MAX_PRINTABLE).replace(/\s+/g, ' ')).trim();
  return line.length > MAX_PRINTABLE ? `${line.slice(0, MAX_PRINTABLE)}…` : line;
}

/** `text` as character data or a quoted attribute value of HTML or SVG. */
export function escapeHtml(text: unknown): string {
  return withoutControls(String(text ?? '')).replace(/[&<>"']/g, (character) => ENTITIES[character]!);
}
