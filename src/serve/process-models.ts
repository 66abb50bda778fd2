/** The models in memory of the process that computes: loaded when they are asked for, within a limit, and unloaded when idle. */
import { WhisperModel } from '../whisper/model.ts';
import type { ComputingOptions, ModelInMemory } from './engine-messages.ts';

interface Entry extends ModelInMemory {
  loading: Promise<WhisperModel> | undefined;
  /** Loaded and usable. */
  loaded: boolean;
  users: number;
  /** Number of the last use: the least recently used has the smallest. */
  used: number;
  idle: NodeJS.Timeout | undefined;
}

export class LoadedModels {
  readonly #entries: ReadonlyMap<string, Entry>;
  #uses = 0;
  /** Those who wait for room, one after the other. */
  #room: Promise<void> = Promise.resolve();
  #onRelease: (() => void) | undefined;

  constructor(
    private readonly options: ComputingOptions,
    private readonly onChange: () => void,
  ) {
    this.#entries = new Map(
      options.models.map((model) => [
        model.id,
        { ...model, loading: undefined, loaded: false, users: 0, used: 0, idle: undefined },
      ]),
    );
  }

  get loaded(): string[] {
    return [...this.#entries.values()].filter(({ loaded }) => loaded).map(({ id }) => id);
  }

  /**
   * Has a model in memory while `work` is done with it.
   * @throws UserError where it cannot be loaded
   */
  async use<T>(id: string, work: (model: WhisperModel) => Promise<T>): Promise<T> {
    const entry = this.#entries.get(id);
    if (!entry) throw new Error(`internal: no model ${id}`);
    // Whoever comes later waits, too: else a model in steady use would never make room.
    const before = this.#room;
    const inTime = before.then(() => this.#enter(entry));
    this.#room = inTime.then(
      () => {},
      () => {},
    );
    const { loading } = await inTime;
    try {
      return await work(await loading);
    } finally {
      this.#leave(entry);
    }
  }

  async #enter(entry: Entry): Promise<{ readonly loading: Promise<WhisperModel> }> {
    clearTimeout(entry.idle);
    entry.used = ++this.#uses;
    entry.users++;
    if (entry.loading) return { loading: entry.loading };
    try {
      await this.#makeRoom(entry.bytes);
    } catch (error) {
      entry.users--;
      throw error;
    }
    const { compute, threads } = this.options;
    const loading = WhisperModel.load(entry.directory, { compute, ...(threads && { threads }) });
    entry.loading = loading;
    loading.then(
      () => {
        entry.loaded = true;
        this.onChange();
      },
      () => {
        if (entry.loading === loading) entry.loading = undefined;
      },
    );
    return { loading };
  }

  #leave(entry: Entry): void {
    entry.users--;
    this.#onRelease?.();
    const { unloadAfter } = this.options;
    if (entry.users > 0 || unloadAfter === undefined) return;
    entry.idle = setTimeout(() => {
      if (entry.users === 0) void this.#unload(entry);
    }, unloadAfter * 1000);
    entry.idle.unref();
  }

  async #makeRoom(bytes: number): Promise<void> {
    for (;;) {
      const held = [...this.#entries.values()].filter(({ loading }) => loading);
      if (held.reduce((sum, one) => sum + one.bytes, 0) + bytes <= this.options.memory) return;
      const unused = held.filter(({ users }) => users === 0).sort((a, b) => a.used - b.used);
      if (unused[0]) await this.#unload(unused[0]);
      else if (held.length === 0) return;
      else
        await new Promise<void>((resolve) => {
          this.#onRelease = resolve;
        });
    }
  }

  async #unload(entry: Entry): Promise<void> {
    const { loading } = entry;
    entry.loading = undefined;
    entry.loaded = false;
    clearTimeout(entry.idle);
    await loading?.then((model) => model.close()).catch(() => {});
    this.onChange();
  }
}
