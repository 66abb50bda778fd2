// Contract with Python's huggingface_hub: both speak to one server, and read each other's cache and uploads.
//   python3 -m venv out/venv && out/venv/bin/pip install huggingface_hub==2.4.0
//   node scripts/contract/hub.mjs out/venv/bin/python
import { execFile, execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';

const python = process.argv[2] ?? 'python3';
const main = resolve('dist/cli/main.js');
const compiled = resolve('out/contract');
execFileSync('node_modules/.bin/tsc', ['src/testing/fake-hub.ts', '--ignoreConfig', '--outDir', compiled, '--target', 'es2023', '--module', 'nodenext', '--types', 'node', '--skipLibCheck'], { stdio: 'inherit' });
writeFileSync(join(compiled, 'package.json'), '{"type":"module"}');
const { startFakeHub, FAKE_TOKEN, sha256 } = await import(join(compiled, 'fake-hub.js'));

const scratch = mkdtempSync(join(tmpdir(), 'hub-contract-'));
const hub = await startFakeHub();
let failed = 0;
/** @param {string} what @param {unknown} holds */
function check(what, holds) {
  console.log(`${holds ? 'ok    ' : 'FAILED'} ${what}`);
  if (!holds) failed++;
}
/** @param {string} home @param {Record<string, string>} more */
const environment = (home, more = {}) => ({
  ...process.env,
  ...{ HF_ENDPOINT: hub.url, HF_HOME: home, HF_HUB_DISABLE_XET: '1', HF_HUB_DISABLE_PROGRESS_BARS: '1', HF_TOKEN: FAKE_TOKEN },
  ...more,
});
/** @param {string} command @param {string[]} args @param {NodeJS.ProcessEnv} env @returns {Promise<{ code: number, out: string, err: string }>} */
const run = (command, args, env) =>
  new Promise((resolve) => {
    execFile(command, args, { env, maxBuffer: 1e8 }, (error, out, err) =>
      resolve({ code: error ? Number(error.code ?? 1) : 0, out: out.trim(), err: err.trim() }),
    );
  });
/** @param {string} home @param {string[]} args @param {Record<string, string>} [more] */
const ours = (home, args, more) => run(process.execPath, [main, 'hub', ...args], environment(home, more));
/** @param {string} home @param {string} text @param {Record<string, string>} [more] */
const theirs = async (home, text, more) => {
  const ended = await run(python, ['-c', text], environment(home, more));
  if (ended.code !== 0) console.log(ended.err.split('\n').slice(-4).join('\n'));
  return ended;
};
/** @param {string} folder @param {Map<string, Buffer>} files */
const equals = (folder, files) =>
  [...files].every(([path, bytes]) => readFileSync(join(folder, path)).equals(bytes));
/** Blobs, links and refs of a cache. @param {string} home @param {string} folder */
const layout = (home, folder) =>
  ['blobs', 'snapshots', 'refs'].map((part) => {
    const path = join(home, 'hub', folder, part);
    return readdirSync(path, { recursive: true, withFileTypes: true })
      .map((entry) => `${entry.parentPath.slice(path.length)}/${entry.name}${entry.isSymbolicLink() ? ` > ${readlinkSync(join(entry.parentPath, entry.name))}` : ''}`)
      .sort();
  });
const requested = () => hub.requests.splice(0).filter(({ path }) => /resolve\/|resolve-cache|xet-bridge/.test(path)).length;

const files = new Map([
  ['config.json', Buffer.from('{"model_type":"whisper"}')],
  ['README.md', Buffer.from('# A model\n')],
  ['empty.txt', Buffer.from('')],
  ['model.safetensors', randomBytes(3_000_000)],
  ['deep/er/data.bin', randomBytes(100_000)],
]);
hub.addRepo('acme/model', Object.fromEntries(files));
hub.addRepo('acme/speech', { 'data/en_us/test.tsv': '1\tx.wav\n', 'data/en_us/audio/test.tar.gz': randomBytes(50_000) }, 'dataset');
hub.pageSize = 2;
console.log((await theirs(scratch, 'import huggingface_hub, filelock; print("huggingface_hub", huggingface_hub.__version__, "filelock", filelock.__version__)')).out);

// Each downloads; the layouts are equal, and each reads the other's offline and without a request.
const [a, b] = [join(scratch, 'a'), join(scratch, 'b')];
const byTheirs = await theirs(a, 'from huggingface_hub import snapshot_download; print(snapshot_download("acme/model"))');
const byOurs = await ours(b, ['download', 'acme/model']);
check('Python downloads from this server', byTheirs.code === 0 && equals(byTheirs.out, files));
check('so do we', byOurs.code === 0 && equals(byOurs.out, files));
check('the two caches have the same blobs, links and refs', JSON.stringify(layout(a, 'models--acme--model')) === JSON.stringify(layout(b, 'models--acme--model')));
requested();
const again = await ours(a, ['download', 'acme/model']);
check("we fetch nothing that is in Python's cache", again.out === byTheirs.out && requested() === 0);
const offline = await ours(a, ['download', 'acme/model'], { HF_HUB_OFFLINE: '1' });
check('nor offline', offline.code === 0 && equals(offline.out, files));
const theirsOffline = await theirs(b, 'from huggingface_hub import snapshot_download; print(snapshot_download("acme/model"))', { HF_HUB_OFFLINE: '1' });
check('Python reads our cache offline', theirsOffline.code === 0 && theirsOffline.out === byOurs.out);
const theirsOnline = await theirs(b, 'from huggingface_hub import hf_hub_download; print(hf_hub_download("acme/model", "model.safetensors"))');
check('and online fetches no blob again', theirsOnline.code === 0 && !hub.requests.splice(0).some(({ path }) => path.includes('xet-bridge')));
const scanned = await theirs(b, 'from huggingface_hub import scan_cache_dir; i = scan_cache_dir(); print(len(i.repos), len(i.warnings), sum(r.nb_files for r in i.repos))');
check(`its scan of our cache has no warnings (${scanned.out})`, scanned.out === '1 0 5');
const set = await ours(b, ['download', 'acme/speech', '--dataset']);
const theirSet = await theirs(b, 'from huggingface_hub import snapshot_download; print(snapshot_download("acme/speech", repo_type="dataset"))', { HF_HUB_OFFLINE: '1' });
check('data sets likewise', set.code === 0 && theirSet.out === set.out);

// Both at once.
for (const [first, second] of [[ours, theirs], [theirs, ours]]) {
  const home = join(scratch, `both-${first === ours}`);
  hub.requests.length = 0;
  hub.faults.push({ match: /xet-bridge/, slow: 60, times: 9 });
  /** @param {typeof ours | typeof theirs} who */
  const start = (who) => who === ours
    ? ours(home, ['download', 'acme/model', '--files', 'model.safetensors'])
    : theirs(home, 'from huggingface_hub import hf_hub_download; print(hf_hub_download("acme/model", "model.safetensors"))');
  const one = start(first);
  while (!hub.requests.some(({ on }) => on === 'cdn')) await new Promise((resolve) => setTimeout(resolve, 20));
  const ended = await Promise.all([one, start(second)]);
  const fetched = hub.requests.splice(0).filter(({ on, path }) => on === 'cdn' && path.includes(sha256(files.get('model.safetensors')))).length;
  check(`${first === ours ? 'Python waits for us' : 'we wait for Python'}: the file is fetched once (${fetched})`, ended.every(({ code }) => code === 0) && fetched === 1);
  hub.faults.length = 0;
}

// Files that a model does not have are known to be absent.
cpSync('models/whisper-base-int8', join(scratch, 'tiny'), { recursive: true });
hub.addFolder('acme/whisper', join(scratch, 'tiny'));
const loaded = await run(process.execPath, [main, 'doctor', '--model', 'acme/whisper', '--json'], environment(b));
const absent = await theirs(b, 'from huggingface_hub import try_to_load_from_cache, _CACHED_NO_EXIST as no; print(try_to_load_from_cache("acme/whisper", "added_tokens.json") is no, isinstance(try_to_load_from_cache("acme/whisper", "config.json"), str))');
check(`a model that we loaded by its name: Python sees what it has and lacks (${absent.out})`, loaded.code === 0 && absent.out === 'True True');

// Uploads.
const upload = join(scratch, 'upload');
mkdirSync(join(upload, 'experts'), { recursive: true });
writeFileSync(join(upload, 'config.json'), '{"model_type":"whisper"}');
writeFileSync(join(upload, 'model.safetensors'), randomBytes(2_500_000));
writeFileSync(join(upload, 'experts/experts.json'), '[]');
const sent = await theirs(a, `from huggingface_hub import HfApi; api = HfApi(); api.create_repo("tester/theirs"); print(api.upload_folder(repo_id="tester/theirs", folder_path=${JSON.stringify(upload)}).oid)`);
const back = await ours(a, ['download', 'tester/theirs']);
const uploaded = new Map(['config.json', 'model.safetensors', 'experts/experts.json'].map((path) => [path, readFileSync(join(upload, path))]));
check('Python uploads to this server, and we download that', sent.code === 0 && back.code === 0 && equals(back.out, uploaded));
hub.partSize = 1_000_000;
writeFileSync(join(upload, 'model.safetensors'), randomBytes(2_700_000));
uploaded.set('model.safetensors', readFileSync(join(upload, 'model.safetensors')));
const pushed = await ours(a, ['push', upload, 'tester/ours', '--license', 'apache-2.0']);
const theirCopy = await theirs(b, 'from huggingface_hub import snapshot_download; print(snapshot_download("tester/ours"))');
check(`we push, in parts, and Python downloads that (${pushed.out.split(': ').at(-1)})`, pushed.code === 0 && theirCopy.code === 0 && equals(theirCopy.out, uploaded));
const card = await theirs(b, 'from huggingface_hub import ModelCard; c = ModelCard.load("tester/ours"); print(c.data.license, c.data.library_name, c.data.pipeline_tag)');
check(`Python reads the card (${card.out})`, card.out === 'apache-2.0 transformers automatic-speech-recognition');
writeFileSync(join(upload, 'model.safetensors'), randomBytes(2_600_000));
const theirParts = await theirs(a, `from huggingface_hub import HfApi; HfApi().upload_folder(repo_id="tester/theirs", folder_path=${JSON.stringify(upload)})`);
const ourCopy = await ours(b, ['download', 'tester/theirs']);
check('Python uploads in parts, and we download that', theirParts.code === 0 && equals(ourCopy.out, new Map([['model.safetensors', readFileSync(join(upload, 'model.safetensors'))]])));

await hub.close();
rmSync(scratch, { recursive: true, force: true });
console.log(failed === 0 ? 'all as expected' : `${failed} failed`);
process.exitCode = failed === 0 ? 0 : 1;
