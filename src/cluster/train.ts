/**
 * Training over several machines: the batches of each step are computed by this process and by workers, and their gradients
 * are summed here in the order of the batches, so that the weights are those of one process to the bit, whoever computed
 * what. All else of a training (optimizer, evaluations, checkpoints) stays here.
 *
 * This process takes the batches of a step from the front, in the order in which they are summed, workers from the back. What
 * a worker has not computed in time is computed here: nothing waits for a worker, or a Redis, that is gone.
 */
import { randomUUID } from 'node:crypto';
import { resolve } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import type { Redis } from 'ioredis';
import { embeddedModel } from '../checkpoint/embedded.ts';
import { UserError } from '../errors.ts';
import { fingerprint } from '../files/fingerprint.ts';
import { formatNumber } from '../report/format.ts';
import { packageVersion } from '../report/package-version.ts';
import type { WorkOptions } from '../report/progress.ts';
import type { BatchGradient, StepHere } from '../training/loop.ts';
import type { Recipe } from '../training/recipe.ts';
import type { ComputedBatch } from '../training/train.ts';
import type { SharedTraining, Sharing } from '../training/train-recipe.ts';
import { runModel } from './coordinator.ts';
import { type Cluster, connect, inTime } from './redis.ts';
import { RUNS, type Run, refusalsOf, SELF } from './run.ts';
import type { TrainRunOptions } from './train-member.ts';
import {
  ALIVE_SECONDS,
  type Answer,
  type AnswerContent,
  type AnswerFrom,
  aliveOf,
  answersOf,
  KEPT_SECONDS,
  numbersOf,
  type Task,
  tasksOf,
  weightsOf,
  withNumbers,
} from './train-messages.ts';

const BEAT_MS = 1_000;
const LISTEN_SECONDS = 1;
/** A worker may take so many times as long as the slower of it and this process did last, and a little, before its batch is computed here. */
const LATE_TIMES = 2;
const LATE_MS = 500;
/** A worker that has a batch and says nothing for so long is lost. */
const LOST_MS = 30_000;
/** Trained weights above this share of all take as long to exchange as to train: docs/scale.md. */
const LARGEST_SHARE = 0.1;

interface Member {
  readonly id: string;
  readonly name: string;
  /** Whether its gradients were compared with this process's, and are the same to the bit. */
  tried: boolean;
  task: { readonly step: number; readonly place: number; readonly since: number } | undefined;
  /** What it took for its last batch. */
  ms: number;
  /** Whether it did not answer in time: then nothing waits for it until it does. */
  late: boolean;
}

interface Step {
  readonly step: number;
  /** Of the batch that is computed or waited for here: those before it are summed. */
  place: number;
  /** Who computes a batch, by place. */
  readonly owners: (Member | 'here' | undefined)[];
  readonly computed: (ComputedBatch | undefined)[];
  /** Fingerprint of the gradient of the first batch, where somebody is to be tried; and of those who are. */
  first: string | undefined;
  readonly trials: Map<Member, string>;
}

/** The connection of a training to its workers. */
export class TrainingCluster {
  private constructor(
    private readonly cluster: Cluster,
    private readonly work: Pick<WorkOptions, 'signal'> & { readonly onNote: (note: string) => void },
  ) {}

  /** @throws UserError where Redis cannot be used, or the recipe leaves nothing to share */
  static async open(
    redis: string,
    { optimizer: { accumulate = 1 } }: Recipe,
    { onNote = () => {}, signal }: WorkOptions,
  ): Promise<TrainingCluster> {
    if (accumulate < 2)
      throw new UserError(
        '--redis: found one batch per step; expected --accumulate 2 or more: workers compute batches of a step',
      );
    return new TrainingCluster(await connect(redis, { onNote, signal }), { onNote, signal });
  }

  /** Begins to share a training. */
  readonly begin = async ({ recipe, settings, bytes, device }: SharedTraining): Promise<Sharing> => {
    if (device !== 'cpu')
      throw new UserError(`--redis: found device ${device}; expected cpu: others do not round alike`);
    if (bytes.trained > LARGEST_SHARE * bytes.all) {
      const mb = (count: number): string => formatNumber(count / 1e6, count < 1e7 ? 1 : 0);
      throw new UserError(
        `--redis: found ${mb(bytes.trained)} MB of trained weights, of ${mb(bytes.all)} MB in all, which would go to Redis and ` +
          `back for each batch; expected ${mb(LARGEST_SHARE * bytes.all)} MB at most, such as with --lora 16: more takes as long to exchange as to compute`,
      );
    }
    const options: TrainRunOptions = { recipe, settings };
    const run: Run = {
      id: fingerprint(`train ${SELF.replace(/:\d+$/, '')} ${resolve(recipe.output)}`, 24),
      ...{ kind: 'train', version: packageVersion, options },
      model: await runModel(recipe.model ?? embeddedModel),
      ...{ place: '', folders: [], token: randomUUID(), since: Date.now(), coordinator: SELF },
    };
    const shared = new SharedSteps(this.cluster, run, recipe.optimizer.accumulate!, this.work.onNote);
    await shared.begin();
    return {
      share: (step, here) => shared.batches(step, here),
      note: () => shared.note(),
      end: () => shared.end(),
    };
  };

  close(): Promise<void> {
    return this.cluster.close();
  }
}

class SharedSteps {
  readonly #redis: Redis;
  /** Waits for answers, and so can do nothing else. */
  readonly #listener: Redis;
  readonly #members = new Map<string, Member>();
  readonly #told = new Set<string>();
  #current: Step | undefined;
  #ownMs = 0;
  /** Batches computed here, and by workers. */
  #here = 0;
  #elsewhere = 0;
  #ended = false;
  #beats: NodeJS.Timeout | undefined;
  #listening: Promise<void> = Promise.resolve();
  #onAnswer: () => void = () => {};

  constructor(
    cluster: Cluster,
    private readonly run: Run,
    private readonly count: number,
    private readonly onNote: (note: string) => void,
  ) {
    this.#redis = cluster.redis;
    this.#listener = cluster.redis.duplicate();
    this.#listener.on('error', () => {});
  }

  async begin(): Promise<void> {
    await this.#beat();
    this.#beats = setInterval(() => void this.#beat().catch(() => {}), BEAT_MS);
    this.#listening = this.#listen();
  }

  note(): string {
    const tried = [...this.#members.values()].filter((member) => member.tried && !member.late);
    return `${tried.length} ${tried.length === 1 ? 'worker' : 'workers'}`;
  }

  /** Gives the batches of a step, in their order. */
  async *batches(
    step: number,
    here: StepHere,
  ): AsyncGenerator<BatchGradient | ComputedBatch, void, undefined> {
    const none = () => new Array<undefined>(this.count).fill(undefined);
    const current: Step = {
      ...{ step, place: 0, owners: none(), computed: none() },
      ...{ first: undefined, trials: new Map() },
    };
    current.owners[0] = 'here';
    this.#dropLost();
    if (this.#members.size > 0 && this.#isThere()) {
      const weights = withNumbers({ step }, await here.weights());
      this.#send(this.#redis.set(weightsOf(this.run.token), weights, 'EX', KEPT_SECONDS));
      this.#current = current;
      for (const member of this.#members.values()) this.#assign(member);
    }
    const { owners, computed } = current;
    try {
      for (let place = 0; place < this.count; place++) {
        current.place = place;
        const batch = computed[place] ?? (await this.#fromElsewhere(current, place));
        if (batch) {
          this.#elsewhere++;
          yield batch;
          continue;
        }
        owners[place] = 'here';
        const next = owners.indexOf(undefined);
        const started = performance.now();
        const own = await here.compute(place, next < 0 ? this.count : next);
        this.#ownMs = performance.now() - started;
        this.#here++;
        if (place === 0 && [...this.#members.values()].some(({ tried }) => !tried)) {
          current.first = bits(own, await here.gradient());
          this.#judge(current);
        }
        yield own;
      }
    } finally {
      this.#current = undefined;
    }
  }

  /** A batch that a worker has, unless it is late or lost. */
  async #fromElsewhere({ step, owners, computed }: Step, place: number): Promise<ComputedBatch | undefined> {
    for (;;) {
      const owner = owners[place];
      if (computed[place] || owner === undefined || owner === 'here' || owner.late) return computed[place];
      if (owner.task?.step !== step || owner.task.place !== place) return undefined;
      const left =
        owner.task.since + LATE_TIMES * Math.max(owner.ms, this.#ownMs) + LATE_MS - performance.now();
      if (left <= 0) owner.late = true;
      else
        await new Promise<void>((resolve) => {
          const timer = setTimeout(resolve, left);
          this.#onAnswer = () => {
            clearTimeout(timer);
            resolve();
          };
        });
    }
  }

  /** Gives a worker something to do, if there is something. */
  #assign(member: Member): void {
    const current = this.#current;
    if (!current || member.task) return;
    let place = 0;
    if (member.tried) {
      place = this.count - 1;
      while (place > 0 && current.owners[place]) place--;
      if (place === 0) return;
      current.owners[place] = member;
    } else if (current.place > 0 || current.first !== undefined) return;
    member.task = { step: current.step, place, since: performance.now() };
    this.#tell(member, { type: 'batch', step: current.step, place });
  }

  #tell({ id }: Pick<Member, 'id'>, task: Task): void {
    const key = tasksOf(this.run.token, id);
    this.#send(this.#redis.multi().rpush(key, JSON.stringify(task)).expire(key, KEPT_SECONDS).exec());
  }

  /** What a Redis that is away does not take is done here. */
  #send(sent: Promise<unknown>): void {
    sent.catch(() => {});
  }

  #isThere(): boolean {
    return this.#redis.status === 'ready';
  }

  async #listen(): Promise<void> {
    while (!this.#ended) {
      try {
        const found = await this.#listener.blpopBuffer(answersOf(this.run.token), LISTEN_SECONDS);
        if (found) {
          const { message, values } = numbersOf<Answer>(found[1]);
          this.#receive(message, values);
          this.#onAnswer();
        }
      } catch (error) {
        if (this.#ended) return;
        this.#tellOnce(
          `an answer of a worker cannot be read: ${error instanceof Error ? error.message : error}`,
        );
        await wait(BEAT_MS);
      }
    }
  }

  #receive({ from, name, ...answer }: AnswerFrom & AnswerContent, gradient: Float32Array): void {
    const known = this.#members.get(from);
    const member: Member = known ?? { id: from, name, tried: false, task: undefined, ms: 0, late: false };
    if (answer.type === 'left') {
      this.#members.delete(from);
      this.#release(member);
      if (known && !this.#ended) this.onNote(`worker ${name} has left`);
      return;
    }
    this.#members.set(from, member);
    if (answer.type === 'batch') this.#take(member, answer, gradient);
    else {
      // What it had is lost, with the data of a Redis that was restarted, say.
      this.#release(member);
      member.task = undefined;
      member.late = false;
    }
    this.#assign(member);
  }

  #take(
    member: Member,
    { step, place, type: _, ...batch }: Extract<AnswerContent, { type: 'batch' }>,
    gradient: Float32Array,
  ): void {
    const { task } = member;
    if (task?.step === step && task.place === place) {
      member.ms = performance.now() - task.since;
      member.task = undefined;
      member.late = false;
    }
    const current = this.#current;
    if (step !== current?.step) return;
    const computed = { ...batch, gradient };
    if (member.tried) current.computed[place] ??= computed;
    else if (place === 0) {
      current.trials.set(member, bits(computed, gradient));
      this.#judge(current);
    }
  }

  /** Frees the batches of a worker that it does not compute any more. */
  #release(member: Member): void {
    const current = this.#current;
    for (const [place, owner] of current?.owners.entries() ?? [])
      if (owner === member && !current!.computed[place]) current!.owners[place] = undefined;
  }

  /** Compares what workers on trial computed with what this process did. */
  #judge({ first, trials }: Step): void {
    if (first === undefined) return;
    for (const [member, found] of trials) {
      trials.delete(member);
      if (found === first) {
        member.tried = true;
        this.onNote(`worker ${member.name} takes part`);
        this.#assign(member);
        continue;
      }
      this.#members.delete(member.id);
      this.#tell(member, {
        type: 'refused',
        reason:
          'found another gradient of the same batch than at the coordinator; expected a processor of the same kind, and the same recordings',
      });
    }
  }

  /** Forgets workers that are lost. One that only paused says again that it is there. */
  #dropLost(): void {
    for (const member of this.#members.values()) {
      if (!member.task || performance.now() - member.task.since < LOST_MS) continue;
      this.#members.delete(member.id);
      this.onNote(`worker ${member.name} is lost: silent for ${LOST_MS / 1000} s; others do what it had`);
    }
  }

  /** Tells workers that there is a training, and the user of those that take no part. */
  async #beat(): Promise<void> {
    if (!this.#isThere()) return;
    const { id, token } = this.run;
    await this.#redis.hset(RUNS, id, JSON.stringify(this.run));
    await this.#redis.set(aliveOf(token), SELF, 'EX', ALIVE_SECONDS);
    for (const line of Object.values(await this.#redis.hgetall(refusalsOf(id))))
      this.#tellOnce(`worker ${line}; it takes no part`);
  }

  #tellOnce(line: string): void {
    if (this.#told.has(line)) return;
    this.#told.add(line);
    this.onNote(line);
  }

  async end(): Promise<void> {
    this.#ended = true;
    clearInterval(this.#beats);
    this.onNote(
      `workers computed ${formatNumber(this.#elsewhere)} of ${formatNumber(this.#here + this.#elsewhere)} batches`,
    );
    if (this.#isThere()) {
      const { id, token } = this.run;
      for (const member of this.#members.values()) this.#tell(member, { type: 'end' });
      await inTime(this.#redis.hdel(RUNS, id));
      await inTime(this.#redis.del(aliveOf(token), weightsOf(token), answersOf(token), refusalsOf(id)));
    }
    await inTime(this.#listening);
    this.#listener.disconnect();
  }
}

/** Fingerprint of what a batch gives, to the bit. */
const bits = ({ weight, scalars }: BatchGradient, gradient: Float32Array): string =>
  fingerprint(
    Buffer.concat([Buffer.from(JSON.stringify([weight, scalars])), Buffer.from(gradient.buffer)]),
    32,
  );
