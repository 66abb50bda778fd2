/** `whisper-transfer hub`: models and corpora of the Hugging Face hub. */
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Command, Option } from 'commander';
import { UserError } from '../errors.ts';
import { cannotOpen, readText } from '../files/read.ts';
import { formatBytes, formatNumber } from '../report/format.ts';
import { packageVersion } from '../report/package-version.ts';
import { table } from '../report/terminal.ts';
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
