/** `whisper-transfer hub`: models and corpora of the Hugging Face hub. */
import { type Command, Option } from 'commander';
import { formatBytes, formatNumber } from '../report/format.ts';
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
  return command;
}

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
      ? `${repo.id}, commit ${commit.slice(0, 7)}: ${formatNumber(files.length)} ${files.length === 1 ? 'file' : 'files'}, ` +
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
    `${cache}: ${formatBytes(all)} in ${formatNumber(repositories.length)} ${repositories.length === 1 ? 'repository' : 'repositories'}`,
  );
}
