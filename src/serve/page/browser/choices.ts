/** What the user chooses: model, languages, and which texts to show. It is remembered in this browser. */
import { languageName } from '../../../report/format.ts';
import type { Model } from './api.ts';
import { byId, element } from './dom.ts';
import type { Side } from './rows.ts';

type Show = Side | 'both';

const REMEMBERED = 'whisper-transfer-choices';

/** A private window may refuse to keep anything. */
function remembered(): Record<string, string> {
  try {
    return JSON.parse(localStorage.getItem(REMEMBERED) ?? '{}') as Record<string, string>;
  } catch {
    return {};
  }
}

export class Choices {
  readonly #model = byId<HTMLSelectElement>('model');
  readonly #from = byId<HTMLSelectElement>('from');
  readonly #to = byId<HTMLSelectElement>('to');
  readonly #show = byId<HTMLSelectElement>('show');
  #models: readonly Model[] = [];

  /** @param onShow other texts are to be shown */
  constructor(onShow: () => void) {
    this.#model.addEventListener('change', () => this.#fill());
    this.#show.addEventListener('change', () => {
      this.#apply();
      onShow();
    });
    byId('choices').addEventListener('change', () => this.#remember());
    byId('choices').addEventListener('submit', (event) => event.preventDefault());
  }

  set(models: readonly Model[]): void {
    this.#models = models;
    const { model, show = 'both' } = remembered();
    options(
      this.#model,
      models.map(({ id }) => [id, id]),
      model,
    );
    byId('model-field').hidden = models.length < 2;
    this.#show.value = ['both', 'original', 'translation'].includes(show) ? show : 'both';
    this.#fill();
  }

  get model(): Model {
    return this.#models.find(({ id }) => id === this.#model.value) ?? this.#models[0]!;
  }

  /** The language spoken; undefined: to be detected. */
  get from(): string | undefined {
    return this.#from.value || undefined;
  }

  get to(): string {
    return this.#to.value;
  }

  get sides(): readonly Side[] {
    const show = this.#show.value as Show;
    return show === 'both' ? ['original', 'translation'] : [show];
  }

  /** Whether translations come with the English that the model writes first. */
  get englishFirst(): boolean {
    return this.model.englishFirst && this.to === this.model.target;
  }

  /** Texts to ask the server for: English that is written first needs no asking. */
  get asked(): readonly Side[] {
    return this.englishFirst && this.sides.includes('translation') ? ['translation'] : this.sides;
  }

  lock(locked: boolean): void {
    for (const select of [this.#model, this.#from, this.#to]) select.disabled = locked;
  }

  #fill(): void {
    const { languages, target } = this.model;
    const { from, to } = remembered();
    const named = languages
      .map((code): [string, string] => [code, languageName(code)])
      .sort(([, a], [, b]) => a.localeCompare(b, 'en'));
    options(this.#from, [['', 'Detect'], ...named], from);
    // What Whisper itself translates into, and what the model was trained for.
    const targets = [...new Set([target, 'en'])].map((code): [string, string] => [code, languageName(code)]);
    options(this.#to, targets, to);
    this.#apply();
  }

  #apply(): void {
    document.body.dataset.show = this.#show.value;
  }

  #remember(): void {
    try {
      const chosen = {
        model: this.#model.value,
        from: this.#from.value,
        to: this.#to.value,
        show: this.#show.value,
      };
      localStorage.setItem(REMEMBERED, JSON.stringify(chosen));
    } catch {
      // A private window: it is chosen anew next time.
    }
  }
}

function options(
  select: HTMLSelectElement,
  values: readonly (readonly [value: string, label: string])[],
  chosen = '',
): void {
  select.replaceChildren(...values.map(([value, label]) => element('option', { value }, label))); // few: a hundred languages
  select.value = values.some(([value]) => value === chosen) ? chosen : (values[0]?.[0] ?? '');
}
