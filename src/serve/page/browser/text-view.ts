/** The rows of text: how they are made, grow, and follow the recording that plays. */
import { byId, clock, element } from './dom.ts';
import { begunAt, type Piece, rowsOf, SIDES, type Side, type TimedWord, wholeSentences } from './rows.ts';

interface Cell {
  readonly element: HTMLElement;
  /** What is committed, while it is live. */
  text: string;
  committed?: Text;
  tentative?: HTMLElement;
}

interface ShownRow {
  readonly start: number;
  end: number;
  readonly element: HTMLElement;
  readonly cells: Partial<Record<Side, Cell>>;
  /** Of each side, sorted by their start. */
  readonly words: Record<Side, ShownWord[]>;
  /** What it was made of: a row that would be made of the same is left as it is. */
  readonly madeOf: string;
}

interface ShownWord {
  readonly start: number;
  readonly end: number;
  readonly element: HTMLElement;
}

/** Utterances of two streams of the same sound that begin closer than this, in seconds, are the same. */
const SAME_UTTERANCE = 1;

export class TextView {
  readonly #section = byId('text');
  readonly #rows = byId('rows');
  readonly #announcer = byId('announcer');
  #shown: ShownRow[] = [];
  #lit = new Set<HTMLElement>();
  #playing: ShownRow | undefined;
  #languages: Partial<Record<Side, string>> = {};
  /** Committed, not announced yet: of each side. */
  #unread: Record<Side, string> = { original: '', translation: '' };
  readonly #onSeek: (time: number) => void;

  /** @param onSeek the user wants to hear the recording from there, in seconds */
  constructor(onSeek: (time: number) => void) {
    this.#onSeek = onSeek;
    this.#rows.addEventListener('click', ({ target }) => {
      // Who selects text does not want to hear it.
      if (!getSelection()?.isCollapsed) return;
      const start = (target as HTMLElement).closest<HTMLElement>('[data-start]')?.dataset.start;
      if (start !== undefined) onSeek(Number(start));
    });
  }

  /** Empties it, with a text that stands there until the first row comes. @param busy whether one will */
  clear(waiting = '', busy = false): void {
    this.#section.hidden = false;
    this.#section.classList.add('empty');
    this.#rows.replaceChildren(
      ...(waiting === '' ? [] : [element('p', { class: busy ? 'waiting now' : 'waiting' }, waiting)]),
    ); // few: one
    this.#announcer.replaceChildren();
    this.#shown = [];
    this.#lit.clear();
    this.#playing = undefined;
    this.#unread = { original: '', translation: '' };
  }

  hide(): void {
    this.clear();
    this.#section.hidden = true;
  }

  /** @param language a code, for fonts and voices; undefined where it is not known */
  title(side: Side, title: string, note = '', language?: string): void {
    const head = document.querySelector(`.head[data-side=${side}] h2`)!;
    head.replaceChildren(title, ...(note === '' ? [] : [element('small', {}, note)])); // few: one
    if (language === undefined) delete this.#languages[side];
    else this.#languages[side] = language;
    for (const { cells } of this.#shown) setLanguage(cells[side]?.element, language);
  }

  /**
   * Shows a recording's text, or more of it: rows that stay as they are keep the focus and the place.
   * @param pending sides whose text is still to come
   */
  showPieces(
    pieces: Readonly<Record<Side, readonly Piece[]>>,
    pending: ReadonlySet<Side>,
    playable: boolean,
  ): void {
    const rows = rowsOf(pieces).map((row) => {
      const waits = SIDES.filter((side) => pending.has(side) && row.pieces[side].length === 0);
      return { row, waits, madeOf: JSON.stringify([row, waits, playable]) };
    });
    let same = 0;
    while (same < rows.length && this.#shown[same]?.madeOf === rows[same]!.madeOf) same++;
    for (const { element: old } of this.#shown.splice(same)) old.remove();
    for (const { row, waits, madeOf } of rows.slice(same)) {
      const shown = this.#addRow(row.start, playable, madeOf);
      shown.end = row.end;
      for (const side of SIDES) {
        const cell = this.#cell(shown, side);
        if (waits.includes(side)) cell.element.append(element('span', { class: 'waiting' }, '…'));
        for (const { text, words } of row.pieces[side]) {
          const line = element('p', {}, ...(words ? [] : [text])); // few: one
          if (words) addWords(line, words, shown.words[side]);
          cell.element.append(line);
        }
        shown.words[side].sort((a, b) => a.start - b.start);
      }
    }
    if (rows.length > 0 || pending.size > 0) return;
    this.clear('Nobody speaks in this recording.');
  }

  /** The row of an utterance that begins, perhaps seen on the other side already. */
  beginUtterance(side: Side, start: number): ShownRow {
    const known = this.#shown.find((row) => !row.cells[side] && Math.abs(row.start - start) < SAME_UTTERANCE);
    const row = known ?? this.#addRow(start, false);
    this.#cell(row, side).element.append(element('span', { class: 'waiting' }, '…'));
    return row;
  }

  /** @param committed is appended */
  liveText(row: ShownRow, side: Side, committed: string, tentative: string): void {
    const cell = this.#cell(row, side);
    this.#makeLive(cell);
    if (committed !== '') {
      cell.text += committed;
      cell.committed!.data = cell.text.trimStart();
      this.#read(side, committed);
    }
    cell.tentative!.textContent = cell.text === '' ? tentative.trimStart() : tentative;
    this.#follow();
  }

  /** @param text all of the utterance */
  endUtterance(row: ShownRow, side: Side, end: number, text: string): void {
    const cell = this.#cell(row, side);
    const rest = text.trim().startsWith(cell.text.trim()) ? text.trim().slice(cell.text.trim().length) : '';
    this.#read(side, rest, true);
    row.end = Math.max(row.end, end);
    cell.text = text;
    cell.element.textContent = text.trim();
    delete cell.committed;
    delete cell.tentative;
    if (SIDES.every((one) => !row.cells[one] || row.cells[one].text.trim() === '') && text.trim() === '')
      this.#remove(row, side);
  }

  /** A remark among the rows: what was left out, and why. */
  note(text: string): void {
    this.#rows.append(element('p', { class: 'row note' }, text));
    this.#follow();
  }

  /** No more text comes. What was not committed by then, as a connection broke, stays, and stays marked. */
  settle(playable: boolean): void {
    for (const row of [...this.#shown]) {
      for (const side of SIDES) {
        const cell = row.cells[side];
        const tentative = cell?.tentative?.textContent;
        if (cell && tentative) {
          cell.text += tentative;
          delete cell.tentative;
        } else if (cell) this.endUtterance(row, side, row.end, cell.text);
      }
      if (playable) this.#makePlayable(row);
    }
    this.#rows.querySelector('p.waiting')?.remove();
  }

  /** What was written live, to be saved. */
  livePieces(side: Side): Piece[] {
    return this.#shown.flatMap(({ start, end, cells }) => {
      const text = cells[side]?.text.trim() ?? '';
      return text === '' ? [] : [{ start, end, text }];
    });
  }

  /** Lights the words and the row that are heard at a time; −1: none. */
  light(time: number): void {
    const lit = new Set<HTMLElement>();
    const row = this.#shown[begunAt(this.#shown, time)];
    const playing = row && time <= row.end + 0.2 ? row : undefined;
    for (const side of SIDES) {
      const word = row?.words[side][begunAt(row.words[side], time)];
      if (word && time <= word.end + 0.05) lit.add(word.element);
    }
    for (const one of this.#lit) if (!lit.has(one)) one.classList.remove('now');
    for (const one of lit) one.classList.add('now');
    this.#lit = lit;
    if (playing === this.#playing) return;
    this.#playing?.element.classList.remove('playing');
    playing?.element.classList.add('playing');
    this.#playing = playing;
    playing?.element.scrollIntoView({ block: 'nearest', behavior: motion() });
  }

  #addRow(start: number, playable: boolean, madeOf = ''): ShownRow {
    this.#rows.querySelector(':scope > .waiting')?.remove();
    this.#section.classList.remove('empty');
    const row: ShownRow = {
      start,
      end: start,
      element: element('div', { class: 'row' }, element('span', { class: 'at' }, clock(start))),
      cells: {},
      words: { original: [], translation: [] },
      madeOf,
    };
    const next = this.#shown.find((other) => other.start > start);
    this.#rows.insertBefore(row.element, next?.element ?? null);
    this.#shown.push(row);
    this.#shown.sort((a, b) => a.start - b.start);
    if (playable) this.#makePlayable(row);
    return row;
  }

  #makePlayable(row: ShownRow): void {
    const label = `Play from ${clock(row.start)}`;
    const button = element(
      'button',
      { type: 'button', class: 'at', 'data-start': String(row.start), 'aria-label': label },
      clock(row.start),
    );
    button.addEventListener('keydown', (event) => this.#step(event, row));
    row.element.firstElementChild!.replaceWith(button);
  }

  /** Arrows go from word to word of a row, for who has no pointer. */
  #step(event: KeyboardEvent, row: ShownRow): void {
    const by = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    const words = [...row.element.querySelectorAll<HTMLElement>('[data-start]:not(button)')].filter(
      (word) => word.offsetParent !== null,
    );
    if (by === undefined || words.length === 0) return;
    event.preventDefault();
    const at = words.findIndex((word) => word.classList.contains('now'));
    this.#onSeek(Number(words[Math.max(0, Math.min(words.length - 1, at + by))]!.dataset.start));
  }

  #remove(row: ShownRow, side: Side): void {
    row.cells[side]?.element.replaceChildren();
    if (SIDES.some((one) => one !== side && row.cells[one]?.element.hasChildNodes())) return;
    row.element.remove();
    this.#shown = this.#shown.filter((one) => one !== row);
  }

  #cell(row: ShownRow, side: Side): Cell {
    let cell = row.cells[side];
    if (!cell) {
      cell = { element: element('div', { class: 'cell', 'data-side': side }), text: '' };
      setLanguage(cell.element, this.#languages[side]);
      row.cells[side] = cell;
      // The original comes first, whichever is known first.
      if (side === 'original') row.element.firstElementChild!.after(cell.element);
      else row.element.append(cell.element);
      if (side === 'translation' && !row.cells.original) this.#cell(row, 'original');
    }
    return cell;
  }

  #makeLive(cell: Cell): void {
    if (cell.committed) return;
    cell.committed = document.createTextNode('');
    cell.tentative = element('span', { class: 'tentative' });
    cell.element.replaceChildren(cell.committed, cell.tentative);
  }

  /** Hands committed text to screen readers, in whole sentences. */
  #read(side: Side, committed: string, ends = false): void {
    const shownSide: Side = document.body.dataset.show === 'original' ? 'original' : 'translation';
    if (side !== shownSide) return;
    const pending = this.#unread[side] + committed;
    const [whole, rest] = ends ? [pending, ''] : wholeSentences(pending);
    this.#unread[side] = rest;
    if (whole.trim() === '') return;
    const line = element('p', {}, whole.trim());
    setLanguage(line, this.#languages[side]);
    this.#announcer.append(line);
    while (this.#announcer.childElementCount > 20) this.#announcer.firstElementChild!.remove();
  }

  /** Keeps the end in view for who is there, and leaves alone who reads further up. */
  #follow(): void {
    const page = document.documentElement;
    if (page.scrollHeight - page.clientHeight - page.scrollTop < 240) scrollTo({ top: page.scrollHeight });
  }
}

export type { ShownRow };

function addWords(line: HTMLElement, words: readonly TimedWord[], shown: ShownWord[]): void {
  line.className = 'words';
  for (const { start, end, text } of words) {
    // Spaces stay outside, so that only the word is lit.
    const [, before = '', bare = '', after = ''] = /^(\s*)(.*?)(\s*)$/s.exec(text) ?? [];
    const word = element('span', { 'data-start': String(start) }, bare);
    line.append(before, word, after);
    shown.push({ start, end, element: word });
  }
}

function setLanguage(of: HTMLElement | undefined, language: string | undefined): void {
  if (language === undefined) of?.removeAttribute('lang');
  else of?.setAttribute('lang', language);
}

const motion = (): ScrollBehavior =>
  matchMedia('(prefers-reduced-motion: reduce)').matches ? 'instant' : 'smooth';
