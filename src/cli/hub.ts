/** `whisper-transfer hub`: models and corpora of the Hugging Face hub. */
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Command, Option } from 'commander';
import { UserError } from '../errors.ts';
import { cannotOpen, readText } from '../files/read.ts';
import type { DamagedBlob } from '../hub/verify-cache.ts';
import { formatBytes, formatNumber } from '../report/format.ts';
import { packageVersion } from '../report/package-version.ts';
import { table } from '../report/terminal.ts';
import { canAsk, confirmed } from './ask.ts';
import { ExitStatus } from './exit-status.ts';
import { showWork } from './show-work.ts';

const HELP = `
Files are kept where Python's huggingface_hub keeps them, and shared with it: HF_HUB_CACHE, else HF_HOME/hub, else
~/.cache/huggingface/hub. HF_TOKEN (or what \`hf auth login\` saved) opens private and gated repositories, HF_ENDPOINT names
another hub, HF_HUB_OFFLINE=1 uses what is here.
`;

export function hubCommand(command: Command): Command {
  command.addHelpText('after', HELP);
  command
    .command('download')
    .description('download a repository, or some of its files, into the cache; prints the folder')
    .argument('<repo>', 'owner/name, or owner/name@revision')
    .option('--dataset', 'it is a data set, not a model')
    .option('--revision <name>', 'branch, tag or commit (default: main)')
    .option('--files <patterns...>', 'only files like these, such as "*.json" "data/en_us/*"; default: all')
    .option('--json', 'print repository, commit, folder, and number of files as JSON')
    .addHelpText(
      'after',
      '\nExamples:\n  $ whisper-transfer hub download openai/whisper-small --files "*.json" model.safetensors' +
        '\n  $ whisper-transfer hub download google/fleurs --dataset --files "data/en_us/*.tsv"',
    )
    .action(download);
  command
    .command('ls')
    .description('list what the cache holds, by repository and revision')
    .addOption(new Option('--cache <dir>', "folder of the cache (default: the hub's)"))
    .option('--json', 'print as JSON')
    .action(list);
  command
    .command('verify')
    .description('compare what the cache holds with its hashes, without a request')
    .argument('[repos...]', 'owner/name …; default: all')
    .addOption(new Option('--cache <dir>', "folder of the cache (default: the hub's)"))
    .option('--fix', 'remove damaged files, so that they are fetched again when they are needed')
    .option('--json', 'print as JSON')
    .addHelpText('after', '\nThe exit status is 1 where files are damaged or missing.')
    .action(verify);
  command
    .command('rm')
    .description('remove repositories, or revisions of them, from the cache; what other revisions use stays')
    .argument('<repos...>', 'owner/name, or owner/name@revision: a branch, a tag, a commit or its beginning')
    .option('--dataset', 'they are data sets; default: models, where both have the name')
    .addOption(new Option('--cache <dir>', "folder of the cache (default: the hub's)"))
    .option('-y, --yes', 'do not ask')
    .option('--dry-run', 'only say what would be removed')
    .option('--json', 'print as JSON')
    .addHelpText(
      'after',
      '\nExamples:\n  $ whisper-transfer hub rm openai/whisper-small\n  $ whisper-transfer hub rm google/fleurs@70bb2e8 --yes',
    )
    .action(removeRepos);
  command
    .command('push')
    .description('upload a trained model, with a card made from its recipe and its evaluation')
    .argument('<folder>', 'folder of the model, as train wrote it')
    .argument('<repo>', 'owner/name; created where there is none')
    .option('--private', 'only you, or your organisation, see it, where it is created now')
    .option('--evaluation <dir>', 'folder of an evaluation (evaluate --output) whose scores the card shows')
    .option('--license <id>', 'licence, such as apache-2.0; default: of the LICENSE in the folder')
    .option('--datasets <names...>', 'data sets of the hub that it was trained on')
    .option('--card <file>', 'card to use in place of the made one; a README.md in the folder is used, too')
    .option('--print-card', 'print the card and send nothing')
    .option('--json', 'print address, commit and changed files as JSON')
    .addHelpText(
      'after',
      '\nExample:\n  $ whisper-transfer hub push out/en-zh acme/whisper-base-en-zh --evaluation out/evaluation',
    )
    .action(push);
  return command;
}

const countOf = (count: number, one: string, more: string): string =>
  `${formatNumber(count)} ${count === 1 ? one : more}`;

async function download(
  name: string,
  flags: { dataset?: boolean; revision?: string; files?: string[]; json?: boolean },
): Promise<void> {
  const { parseRepo } = await import('../hub/names.ts');
  const { download } = await import('../hub/download.ts');
  const { repo, revision } = parseRepo(name, flags.dataset ? 'dataset' : 'model');
  const work = showWork('the same command goes on from there');
  const { commit, folder, files, fetched } = await download(repo, {
    ...work,
    revision: flags.revision ?? revision,
    files: flags.files,
  });
  work.end();
  if (flags.json) {
    console.log(
      JSON.stringify({
        repo: repo.id,
        type: repo.type,
        commit,
        folder,
        files: files?.length ?? null,
        fetched,
      }),
    );
    return;
  }
  const bytes = files?.reduce((sum, { size }) => sum + size, 0);
  process.stderr.write(
    files && bytes !== undefined
      ? `${repo.id}, commit ${commit.slice(0, 7)}: ${countOf(files.length, 'file', 'files')}, ` +
          `${formatBytes(bytes)}${fetched < bytes ? `, of which ${formatBytes(bytes - fetched)} were here` : ''}\n`
      : `${repo.id}, commit ${commit.slice(0, 7)}: as the cache has it; the hub was not asked\n`,
  );
  console.log(folder);
}

async function list(flags: { cache?: string; json?: boolean }): Promise<void> {
  const { cacheFolder } = await import('../hub/settings.ts');
  const { listCache } = await import('../hub/list-cache.ts');
  const cache = flags.cache ?? cacheFolder();
  const repositories = await listCache(cache);
  if (flags.json) {
    console.log(JSON.stringify({ cache, repositories }));
    return;
  }
  if (repositories.length === 0) {
    console.log(`${cache}: nothing of the hub is here`);
    return;
  }
  const rows = repositories.flatMap(({ repo, revisions, incompleteBytes }) => [
    ...revisions.map(({ commit, refs, files, bytes, changed }) => ({
      name: repo.id,
      type: repo.type,
      revision: `${commit.slice(0, 7)}${refs.length > 0 ? ` ${refs.join(', ')}` : ''}`,
      files: String(files),
      size: formatBytes(bytes),
      changed: new Date(changed).toISOString().slice(0, 10),
    })),
    ...(incompleteBytes > 0
      ? [
          {
            name: repo.id,
            type: repo.type,
            revision: 'broken off',
            files: '',
            size: formatBytes(incompleteBytes),
            changed: '',
          },
        ]
      : []),
  ]);
  process.stdout.write(
    table(rows, [
      { heading: 'repository', value: ({ name }) => name },
      { heading: 'type', value: ({ type }) => type },
      { heading: 'revision', value: ({ revision }) => revision },
      { heading: 'files', value: ({ files }) => files, align: 'right' },
      { heading: 'size', value: ({ size }) => size, align: 'right' },
      { heading: 'changed', value: ({ changed }) => changed },
    ]),
  );
  const all = repositories.reduce((sum, { bytes, incompleteBytes }) => sum + bytes + incompleteBytes, 0);
  console.log(
    `${cache}: ${formatBytes(all)} in ${countOf(repositories.length, 'repository', 'repositories')}`,
  );
}

async function verify(
  names: string[],
  { cache: given, fix = false, json }: { cache?: string; fix?: boolean; json?: boolean },
): Promise<void> {
  const { cacheFolder } = await import('../hub/settings.ts');
  const { listCache } = await import('../hub/list-cache.ts');
  const { verifyHubCache } = await import('../hub/verify-cache.ts');
  const cache = given ?? cacheFolder();
  const all = await listCache(cache);
  const wanted = (name: string) => all.filter(({ repo }) => repo.id.toLowerCase() === name.toLowerCase());
  const unknown = names.find((name) => wanted(name).length === 0);
  if (unknown !== undefined)
    throw new UserError(
      `${unknown}: found no such repository in ${cache}; expected one of those that \`hub ls\` lists`,
    );
  const work = showWork();
  const found = await verifyHubCache(names.length > 0 ? names.flatMap(wanted) : all, { ...work, fix });
  work.end();
  const { blobs, bytes, damaged, unchecked } = found;
  if (json) console.log(JSON.stringify({ cache, ...found }));
  else {
    for (const { repository, path, fault, expected, found: hash, files } of damaged) {
      const [first] = files;
      const where = first ? `${first.path} (commit ${first.commit.slice(0, 7)})` : path;
      const what = fault === 'missing' ? 'found nothing' : `found the hash ${hash}`;
      console.log(
        `${repository.repo.id}: ${where}: ${what}; expected ${expected}${fix && fault === 'damaged' ? '; removed' : ''}`,
      );
    }
    for (const line of again(damaged)) console.log(line);
    const others = unchecked > 0 ? `; ${countOf(unchecked, 'file', 'files')} without a hash` : '';
    console.log(
      `${cache}: ${countOf(blobs, 'file', 'files')}, ${formatBytes(bytes)}: ${formatNumber(damaged.length)} damaged or missing${others}`,
    );
    if (damaged.some(({ fault }) => fault === 'damaged') && !fix)
      console.log('hub verify --fix removes what is damaged, so that it is fetched again');
  }
  if (damaged.length > 0) throw new ExitStatus(1);
}

/** Commands that fetch what is damaged or missing again. */
function again(damaged: readonly DamagedBlob[]): string[] {
  const byCommit = new Map<string, string[]>();
  for (const { repository, files } of damaged) {
    for (const { commit, path } of files) {
      const name = `${repository.repo.id}@${commit}${repository.repo.type === 'dataset' ? ' --dataset' : ''}`;
      byCommit.set(name, [...(byCommit.get(name) ?? []), JSON.stringify(path)]);
    }
  }
  return [...byCommit].map(
    ([name, paths]) => `again: whisper-transfer hub download ${name} --files ${paths.join(' ')}`,
  );
}

async function removeRepos(
  targets: string[],
  flags: { dataset?: boolean; cache?: string; yes?: boolean; dryRun?: boolean; json?: boolean },
): Promise<void> {
  const { cacheFolder } = await import('../hub/settings.ts');
  const { listCache } = await import('../hub/list-cache.ts');
  const { describeRemoval, planRemovals, remove } = await import('../hub/remove.ts');
  const repositories = await listCache(flags.cache ?? cacheFolder());
  const removals = await planRemovals(repositories, targets, flags.dataset ? 'dataset' : undefined);
  if (!flags.json || !flags.yes) {
    for (const removal of removals) process.stderr.write(`${describeRemoval(removal)}\n`);
  }
  const bytes = removals.reduce((sum, removal) => sum + removal.bytes, 0);
  if (!flags.dryRun && !flags.yes) {
    if (!canAsk()) throw new UserError('hub rm: found nobody to ask; expected --yes, or --dry-run');
    if (!(await confirmed(`Remove ${formatBytes(bytes)}?`))) return;
  }
  if (!flags.dryRun) for (const removal of removals) await remove(removal);
  if (flags.json) {
    const removed = removals.map(({ repository: { repo }, revisions, isWhole, bytes }) => ({
      ...{ repo: repo.id, type: repo.type, isWhole, bytes },
      commits: revisions.map(({ commit }) => commit),
    }));
    console.log(JSON.stringify({ removed, bytes, dryRun: Boolean(flags.dryRun) }));
  } else console.log(`${formatBytes(bytes)} ${flags.dryRun ? 'would be freed' : 'freed'}`);
}

interface PushFlags {
  private?: boolean;
  evaluation?: string;
  license?: string;
  datasets?: string[];
  card?: string;
  printCard?: boolean;
  json?: boolean;
}

async function push(folder: string, name: string, flags: PushFlags): Promise<void> {
  const { parseRepo } = await import('../hub/names.ts');
  const { modelCard } = await import('../evaluation/model-card.ts');
  const { repo, revision } = parseRepo(name, 'model');
  if (revision !== undefined || !repo.id.includes('/'))
    throw new UserError(`found "${name}"; expected owner/name: what is pushed gets onto main`);
  const paths = await pathsIn(folder);
  const own = flags.card ?? (paths.includes('README.md') ? join(folder, 'README.md') : undefined);
  const card =
    own === undefined
      ? await modelCard({ ...flags, model: folder, id: repo.id, version: packageVersion })
      : await readText(own, 'a model card (README.md)');
  if (flags.printCard) {
    process.stdout.write(card);
    return;
  }
  const { isModelFile } = await import('../hub/model-files.ts');
  const { push } = await import('../hub/push.ts');
  // Without checkpoints, reports and what else training leaves there.
  const files = paths.filter(isModelFile).map((path) => ({ path, file: join(folder, path) }));
  const work = showWork('the same command goes on: what was sent whole is kept at the hub');
  const scratch = await mkdtemp(join(tmpdir(), 'card-'));
  try {
    const file = join(scratch, 'README.md');
    await writeFile(file, card);
    const pushed = await push(repo, [...files, { path: 'README.md', file }], {
      ...work,
      isPrivate: flags.private,
      message: `Model of whisper-transfer ${packageVersion}`,
    });
    work.end();
    if (flags.json) {
      console.log(JSON.stringify(pushed));
      return;
    }
    const { url, commit, created, changed, sent } = pushed;
    console.log(
      changed.length === 0
        ? `${url}: has all of it already, commit ${commit.slice(0, 7)}`
        : `${url}: ${created ? 'created; ' : ''}commit ${commit.slice(0, 7)}, ${countOf(changed.length, 'file', 'files')}, ${formatBytes(sent)} sent`,
    );
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}

/** Paths of all that is in a folder. */
async function pathsIn(folder: string): Promise<string[]> {
  const paths = await readdir(folder, { recursive: true }).catch((error: unknown) => {
    throw cannotOpen(folder, error, 'the folder of a trained model');
  });
  return paths.map((path) => path.replaceAll('\\', '/')).sort();
}
