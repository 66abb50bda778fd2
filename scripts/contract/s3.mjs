// Contract with a real S3 server: the store of results does there what src/cluster/store.test.ts has it do with the small server
// of the tests, and its refusals become the same lines. For a server that runs, with an empty bucket, by AWS' variables:
//   npm install --prefix out/s3 s3rver@3.7.1     # or Versity's gateway, MinIO, …
//   NODE_OPTIONS=--openssl-legacy-provider out/s3/node_modules/.bin/s3rver --directory out/s3/files --port 4568 --configure-bucket bucket &
//   npm run build && AWS_ENDPOINT_URL_S3=http://127.0.0.1:4568 AWS_REGION=us-east-1 AWS_ACCESS_KEY_ID=S3RVER \
//     AWS_SECRET_ACCESS_KEY=S3RVER node scripts/contract/s3.mjs bucket
const bucket = process.argv[2] ?? 'bucket';
const { openStore, placesIn } = await import(new URL('../../dist/cluster/store.js', import.meta.url).href);
const { Results } = await import(new URL('../../dist/cluster/results.js', import.meta.url).href);
process.env.AWS_MAX_ATTEMPTS = '2';
let failed = 0;
/** @param {string} what @param {unknown} found @param {unknown} expected */
function check(what, found, expected) {
  const holds = expected instanceof RegExp ? expected.test(String(found)) : JSON.stringify(found) === JSON.stringify(expected);
  console.log(`${holds ? 'ok    ' : 'FAILED'} ${what}${holds ? '' : `: found ${JSON.stringify(found)}; expected ${expected}`}`);
  if (!holds) failed++;
}
/** @type {string[]} */
const notes = [];
/** @param {string} store @param {string} [run] */
const open = (store, run = 'run') => openStore(placesIn(store)(run), { onNote: (/** @type {string} */ note) => notes.push(note) });
/** @param {string} name @param {string} value @param {string} store */
async function refusal(name, value, store = `s3://${bucket}/p`) {
  const before = process.env[name];
  process.env[name] = value;
  const line = await (await open(store)).write('a', 'text').then(
    () => 'nothing',
    (/** @type {Error} */ error) => error.message,
  );
  process.env[name] = before;
  return line;
}

const [store, other] = [await open(`s3://${bucket}/a prefix/ü`), await open(`s3://${bucket}/a prefix/ü`, 'run2')];
check('an empty run', await store.names(), []);
check('a file that is not there', [await store.has('none'), (await store.read('none')) ?? null], [false, null]);
// More than a page of a list.
const names = Array.from({ length: 1100 }, (_, i) => `${String(i).padStart(4, '0')}.json`);
for (let i = 0; i < names.length; i += 50) await Promise.all(names.slice(i, i + 50).map((name) => store.write(name, `of ${name}`)));
await store.write('0001.json', 'second, "ü"\n');
await other.write('z.json', 'z');
check('names over several pages', [...(await store.names())].sort(), names);
check('the second text', await store.read('0001.json'), 'second, "ü"\n');
check('what is there', [await store.has('0002.json'), await store.has('z.json')], [true, false]);
await store.remove([...names, 'never.json']);
check('removed, and the other run stays', [await store.names(), await other.names()], [[], ['z.json']]);
const results = new Results(other);
await results.begin('token');
const result = { results: [{ frames: 1 }], notes: [], damage: [] };
await results.write('shard', result);
check('a result', await results.read('shard', 1), { key: 'shard', ...result });
check('no notes', notes, []);
check('no such bucket', await refusal('AWS_REGION', 'us-east-1', 's3://another-bucket/p'), /found no bucket "another-bucket"/);
// Some servers take any region, and s3rver any secret.
check('another region', await refusal('AWS_REGION', 'eu-west-1'), /^nothing$|the bucket is of another region/);
check('an unknown key', await refusal('AWS_ACCESS_KEY_ID', 'AKIDOTHER'), /refuses: .*\(InvalidAccessKeyId, status 403\)/);
await (await open(`s3://${bucket}/p`)).remove(['a']);
await results.clear();
await other.remove(['z.json']);
check('a wrong secret', await refusal('AWS_SECRET_ACCESS_KEY', 'another'), /^nothing$|refuses: .*\(SignatureDoesNotMatch, status 403\)/);
process.exitCode = failed > 0 ? 1 : 0;
