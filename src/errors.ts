/**
 * A mistake in the user's input: a file, an option, a value. The command line prints its message as one line and exits
 * with code 2, as it does for errors of the system (files/system-error.ts); any other error is a bug and keeps its stack trace.
 */
export class UserError extends Error {
  override name = 'UserError';
}
