/** Plays the recording, and tells where it is. */
import { byId, clock } from './dom.ts';

export class Player {
  readonly #bar = byId('player');
  readonly #sound = byId<HTMLAudioElement>('sound');
  readonly #seek = byId<HTMLInputElement>('seek');
  readonly #button = byId<HTMLButtonElement>('play');
  readonly #onTime: (seconds: number) => void;

  /** @param onTime what is heard now, in seconds, as often as the screen is drawn; −1: nothing any more */
  constructor(onTime: (seconds: number) => void) {
    this.#onTime = onTime;
    const sound = this.#sound;
    this.#button.addEventListener('click', () => (sound.paused ? this.#start() : sound.pause()));
    this.#seek.addEventListener('input', () => {
      sound.currentTime = Number(this.#seek.value);
    });
    const draw = (): void => {
      this.#show();
      onTime(sound.currentTime);
      if (!sound.paused) requestAnimationFrame(draw);
    };
    sound.addEventListener('play', draw);
    sound.addEventListener('seeked', draw);
    sound.addEventListener('pause', () => this.#show());
    sound.addEventListener('loadedmetadata', () => this.#show());
    sound.addEventListener('ended', () => onTime(-1));
    // A format that this browser does not play can be read all the same.
    sound.addEventListener('error', () => {
      this.#bar.hidden = true;
    });
  }

  load(recording: Blob): void {
    this.unload();
    this.#sound.src = URL.createObjectURL(recording);
    this.#bar.hidden = false;
  }

  unload(): void {
    this.#bar.hidden = true;
    this.#sound.pause();
    if (this.#sound.src) URL.revokeObjectURL(this.#sound.src);
    this.#sound.removeAttribute('src');
  }

  playFrom(seconds: number): void {
    this.#sound.currentTime = seconds;
    this.#onTime(seconds);
    this.#start();
  }

  get isThere(): boolean {
    return !this.#bar.hidden;
  }

  /** Seconds; undefined where they are not known. */
  get duration(): number | undefined {
    const { duration } = this.#sound;
    return Number.isFinite(duration) ? duration : undefined;
  }

  /** Who stops it before it has begun wants no error. */
  #start(): void {
    this.#sound.play().catch(() => this.#show());
  }

  #show(): void {
    const { currentTime, paused } = this.#sound;
    const duration = this.duration ?? currentTime;
    this.#bar.classList.toggle('playing', !paused);
    this.#button.setAttribute('aria-label', paused ? 'Play' : 'Pause');
    this.#seek.max = String(duration);
    this.#seek.value = String(currentTime);
    this.#seek.setAttribute('aria-valuetext', `${clock(currentTime)} of ${clock(duration)}`);
    byId('place').textContent = `${clock(currentTime)} / ${clock(duration)}`;
  }
}
