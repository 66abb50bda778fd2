/** Ctrl-C: the first one stops long work in good order, a second one ends the process at once. */

const EXIT_CODES = { SIGINT: 130, SIGTERM: 143 } as const;
type StopSignal = keyof typeof EXIT_CODES;

/** npm passes a terminal's Ctrl-C on to its child, which so receives one keypress twice. */
const ONE_KEYPRESS_MS = 500;

/** The reason of an interrupted command: the command line prints its message and exits with its code. */
export class Interrupted extends Error {
  override name = 'Interrupted';

  constructor(
    readonly signal: StopSignal,
    message: string,
  ) {
    super(message);
  }

  get exitCode(): number {
    return EXIT_CODES[this.signal];
  }
}

/** The signal's own reason, with a line that says where the command stopped. */
export function stoppedAt(signal: AbortSignal, message: string): Interrupted {
  return new Interrupted((signal.reason as Interrupted).signal, message);
}

/** What this process works on: all of it stops, each with a line of its own. */
const works: ((name: StopSignal) => void)[] = [];

/** The process' one listener. */
function stopAll(name: NodeJS.Signals): void {
  const stopped = works.splice(0);
  if (stopped.length === 0) return;
  setTimeout(() => listen('off'), ONE_KEYPRESS_MS).unref();
  for (const stop of stopped) stop(name as StopSignal);
}

function listen(how: 'on' | 'off'): void {
  for (const name of Object.keys(EXIT_CODES) as StopSignal[]) process[how](name, stopAll);
}

/**
 * Aborts with an `Interrupted` at the first SIGINT or SIGTERM. After that the system's own action is back: a second one
 * ends the process, even while it computes.
 * @param message what was done so far, in one line
 */
export function interruptSignal(message: () => string): AbortSignal {
  const controller = new AbortController();
  if (!process.listeners('SIGINT').includes(stopAll)) listen('on');
  works.push((name) => controller.abort(new Interrupted(name, message())));
  return controller.signal;
}
