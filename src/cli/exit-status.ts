/** How a command ends that did its work and printed it, and whose answer is no: errors were found. */
export class ExitStatus extends Error {
  override name = 'ExitStatus';

  constructor(readonly code: number) {
    super(`exit status ${code}`);
  }
}
