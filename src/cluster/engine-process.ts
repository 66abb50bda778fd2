/**
 * The process that computes shards, started by engine.ts: the worker's own process only holds locks, so that these are
 * renewed whatever is computed, and learns at once where this one dies. It ends with the worker, however that ends.
 */
import { answerParent, sendToParent } from '../backend/forked.ts';
import { embeddedModel } from '../checkpoint/embedded.ts';
import { modelFingerprint } from '../checkpoint/model-fingerprint.ts';
import { UserError } from '../errors.ts';
import { modelFolder } from '../hub/model-folder.ts';
import { JOB_KINDS, type ShardWork } from './kinds.ts';
import { type Root, Roots } from './roots.ts';
import { EMBEDDED, isFailed, type Row, type Run, type ShardResult } from './run.ts';
import type { Membership } from './train-member.ts';

export interface EngineRequest {
  readonly run: Run;
  readonly rows: readonly Row[];
  readonly roots: readonly Root[];
  readonly allowCommands: boolean;
  /** For a run that is not cut into shards. */
  readonly membership?: Membership | undefined;
}

export type EngineReply =
  /** The model is loaded: what happens from here on is the rows' doing. */
  | { readonly type: 'begun' }
  | { readonly type: 'done'; readonly result: ShardResult<object> }
  /** The worker cannot take part in the run. */
  | { readonly type: 'refused'; readonly reason: string }
  /** A mistake of the program's, or of a library's, with these rows. */
  | { readonly type: 'failed'; readonly reason: string };

/** Of the run; there is one in the life of the process. */
let work: ShardWork<Row, object> | undefined;
/** Of the shard in progress. */
let notes: string[] = [];
let damage: [file: string, damage: string][] = [];

async function workOf({ run, allowCommands }: EngineRequest, roots: Roots): Promise<ShardWork<Row, object>> {
  if (work) return work;
  const kind = JOB_KINDS[run.kind];
  if (!kind) throw new UserError(`found a job of kind "${run.kind}"; expected ${Object.keys(JOB_KINDS)}`);
  if (!('load' in kind)) throw new Error(`internal: jobs of kind "${run.kind}" have no shards`);
  const model = await folderOf(run, roots);
  work = await (await kind.load()).open(run.options, {
    here: (path) => roots.here(path),
    model,
    allowCommands,
    onNote: (note) => notes.push(roots.theirs(note)),
    onDamage: (file, what) => damage.push([roots.theirs(file), what]),
  });
  return work;
}

/** The folder of the run's model: the coordinator's, as it is seen here, or that of the hub's cache of this machine. */
async function folderOf({ model, coordinator }: Run, roots: Roots): Promise<string> {
  const { directory, hub, fingerprint } = model;
  const shared = directory === EMBEDDED ? embeddedModel : roots.here(directory);
  const isTheirs = async (folder: string) => (await modelFingerprint(folder)) === fingerprint;
  if (hub !== undefined && (await isTheirs(shared).catch(() => false))) return shared;
  const folder = hub === undefined ? shared : await modelFolder(hub);
  if (await isTheirs(folder)) return folder;
  throw new UserError(
    `${folder}: found another model; expected one with fingerprint ${fingerprint}, as at the coordinator ${coordinator}`,
  );
}

const send = (reply: EngineReply): void => sendToParent(reply);

async function compute(request: EngineRequest): Promise<Exclude<EngineReply, { type: 'begun' }>> {
  const { run, rows } = request;
  const roots = new Roots(request.roots);
  notes = [];
  damage = [];
  try {
    const kind = JOB_KINDS[run.kind];
    if (request.membership && kind && 'join' in kind) {
      await (await kind.join())(run, request.membership, { roots, model: await folderOf(run, roots) });
      return { type: 'done', result: { results: [], notes, damage } };
    }
    const shard = await workOf(request, roots);
    send({ type: 'begun' });
    const results = (await shard(rows)).map((result) =>
      isFailed(result) ? { error: roots.theirs(result.error) } : result,
    );
    return { type: 'done', result: { results, notes, damage } };
  } catch (error) {
    if (error instanceof UserError) return { type: 'refused', reason: error.message };
    console.error(error);
    return { type: 'failed', reason: error instanceof Error ? error.message : String(error) };
  }
}

answerParent(async (request: EngineRequest) => send(await compute(request)));
