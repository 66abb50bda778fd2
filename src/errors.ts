/**
 * A mistake in what the user gave us: a file, an option, a value. The command line prints its message as one
 * line and exits with code 2; anything else that is thrown is a bug of ours and keeps its stack trace.
 */
export class UserError extends Error {
  override name = 'UserError';
}
