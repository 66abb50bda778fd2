/** Ends a program that this process started, and what that has started itself. */

/** Options of `spawn` with which {@link endProgram} reaches all of a program. A terminal's Ctrl-C does not. */
export const ownGroup = { detached: process.platform !== 'win32' };

/** At once; nothing where it has ended. @param pid of a program that was started with {@link ownGroup} */
export function endProgram(pid: number): void {
  try {
    process.kill(ownGroup.detached ? -pid : pid, 'SIGKILL');
  } catch {
    // Ended by itself.
  }
}
