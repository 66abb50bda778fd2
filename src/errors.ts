/**
 * A mistake in the user's input: a file, an option, a value. The command line prints its message as one line and exits
 * with code 2, as it does for errors of the system (files/system-error.ts); any other error is a bug and keeps its stack trace.
 */
export class UserError extends Error {
  override name = 'UserError';
}

/** A text from an input, quoted and cut so that it fits the one line of a message. */
export const excerpt = (text: string, length = 40): string =>
  JSON.stringify(text.length > length ? `${text.slice(0, length)}…` : text);

/** What is wrong, without the place that a message begins with. */
export const reasonOf = (where: string, { message }: UserError): string =>
  message.startsWith(`${where}: `) ? message.slice(where.length + 2) : message;
