/** What the page says about itself: its state, what went wrong, and the question for a key. */
import { Failure } from './api.ts';
import { byId, element } from './dom.ts';

const notice = byId('notice');
const retry = byId<HTMLButtonElement>('retry');
let counting: ReturnType<typeof setInterval> | undefined;

byId('dismiss').addEventListener('click', clearNotice);

/** @param again what to do when the user tries again, or when the server is expected to have room */
export function showFailure(error: unknown, again?: () => void): void {
  if (!(error instanceof Failure)) console.error(error);
  const failure =
    error instanceof Failure
      ? error
      : new Failure('Something went wrong in this page. Load it again.', 'refused');
  if (failure.kind === 'cancelled') return;
  say(again && failure.kind === 'busy' ? 'The server is busy.' : failure.message, failure.kind !== 'busy');
  if (!again) return;
  const act = () => {
    clearNotice();
    again();
  };
  retry.hidden = false;
  retry.onclick = act;
  let left = failure.kind === 'busy' ? Math.ceil(failure.retryAfter ?? 0) : 0;
  const count = () => {
    retry.textContent = left > 0 ? `Trying again in ${left} s` : 'Try again';
    if (left-- > 0) return;
    clearInterval(counting);
    if (failure.kind === 'busy') act();
  };
  count();
  if (left >= 0 && failure.kind === 'busy') counting = setInterval(count, 1000);
}

export function say(text: string, bad = false): void {
  clearInterval(counting);
  notice.querySelector('p')!.textContent = text;
  notice.classList.toggle('bad', bad);
  retry.hidden = true;
  notice.hidden = false;
}

export function clearNotice(): void {
  clearInterval(counting);
  notice.hidden = true;
}

export type State = 'idle' | 'recording' | 'finishing' | 'working' | 'done';

export function setState(state: State, text = ''): void {
  document.body.dataset.state = state;
  setStatus(text);
}

/** It is read aloud: for what matters, not for numbers that change. */
export function setStatus(text: string): void {
  const shown = byId('state');
  if (shown.textContent !== text) shown.textContent = text;
}

/** Numbers with what they are of: ['1.4 s', 'behind']. */
export function setFigures(...figures: readonly (readonly [value: string, of: string])[]): void {
  byId('figures').replaceChildren(
    ...figures.map(([value, of]) => element('span', {}, element('b', {}, value), ` ${of}`)),
  ); // few: three
}

/** @param wrong whether one was tried */
export function askForKey(wrong: boolean): Promise<string | undefined> {
  const dialog = byId<HTMLDialogElement>('key');
  const field = byId<HTMLInputElement>('key-value');
  const text = byId('key-text');
  if (wrong) text.textContent = 'That is not the key of this server.';
  text.classList.toggle('bad', wrong);
  field.value = '';
  dialog.returnValue = '';
  dialog.showModal();
  byId('key-cancel').onclick = () => dialog.close();
  return new Promise((resolve) => {
    dialog.querySelector('form')!.onsubmit = (event) => {
      event.preventDefault();
      dialog.close('key');
    };
    dialog.addEventListener(
      'close',
      () => resolve(dialog.returnValue === 'key' ? field.value.trim() : undefined),
      {
        once: true,
      },
    );
  });
}
