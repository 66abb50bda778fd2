/** Recordings inside the page, and the script that plays them, or stretches of them, at a click. */

import { audioUri } from '../../audio/audio-uri.ts';
import { referenceIn } from '../../data/clip.ts';
import { escapeHtml } from '../../report/escape.ts';
import { languageName } from '../../report/format.ts';
import type { ParallelClip } from '../../retrieval/parallel-clips.ts';

export class Players {
  readonly #ids = new Map<ParallelClip['clip'], string>();

  /** The id of the clip's player, which is added to the page. */
  id = ({ clip }: ParallelClip): string => {
    const known = this.#ids.get(clip);
    if (known) return known;
    const id = `clip-${this.#ids.size}`;
    this.#ids.set(clip, id);
    return id;
  };

  button(one: ParallelClip): string {
    const label = `Play the ${languageName(one.clip.language)} recording ${one.clip.key}`;
    return `<button type="button" class="play" data-play="${this.id(one)}" aria-label="${escapeHtml(label)}">▶</button>`;
  }

  /** All recordings with an id, with controls, folded away: they play without the script, too. */
  async html(): Promise<string> {
    if (this.#ids.size === 0) return '';
    const items: string[] = [];
    for (const [clip, id] of this.#ids) {
      const found = await audioUri(clip.audio);
      const english = referenceIn(clip, 'en');
      const name = `${languageName(clip.language)}, ${clip.key}${english && `: ${english}`}`;
      items.push(
        `<li>${escapeHtml(name)} ${'uri' in found ? `<audio id="${id}" controls preload="none" src="${found.uri}"></audio>` : `<span class="soft">(${escapeHtml(found.missing)})</span>`}</li>`,
      );
    }
    return `<h2>Recordings</h2><details><summary>All ${items.length} recordings of this page</summary><ul class="plain">${items.join('\n')}</ul></details>`;
  }
}

/** `data-play="clip-3@1.20-1.85 clip-7"`: that stretch of the one recording, then all of the other. */
export const playScript = `
let current, timer;
function stop() { clearTimeout(timer); if (current) { current.pause(); current.onended = null; } }
function play(parts) {
  stop();
  if (parts.length === 0) return;
  const [id, range] = parts[0].split('@');
  const audio = document.getElementById(id);
  if (!audio) return play(parts.slice(1));
  const [from, to] = range ? range.split('-').map(Number) : [0, Infinity];
  current = audio;
  const begin = () => {
    audio.currentTime = from;
    audio.play();
    audio.onended = () => play(parts.slice(1));
    if (Number.isFinite(to)) timer = setTimeout(() => play(parts.slice(1)), (to - from) * 1000);
  };
  if (audio.readyState > 0) begin();
  else { audio.onloadedmetadata = () => { audio.onloadedmetadata = null; begin(); }; audio.load(); }
}
document.addEventListener('click', (event) => {
  const target = event.target.closest('[data-play]');
  if (target) play(target.dataset.play.split(' '));
});
`;

export const playStyle = `
svg .play,button.play{cursor:pointer}
button.play{border:1px solid var(--rule);border-radius:99px;background:var(--card);color:var(--after);width:2rem;height:2rem}
.figures.wide{grid-template-columns:repeat(auto-fill,minmax(min(100%,30rem),1fr))}.figures.wide svg{max-width:560px}
.figures.alignments{grid-template-columns:minmax(0,1fr)}.figures.alignments svg{max-width:760px}
`;
