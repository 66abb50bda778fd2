// How often an utterance finds its translation among those of another language, by encoder output alone.
//   node retrieve.js samples/manifest.tsv intro ca en
import { readManifest, retrieve } from 'whisper-transfer';

const [manifest = 'samples/manifest.tsv', set = 'intro', from = 'ca', to = 'en'] = process.argv.slice(2);
const clips = (await readManifest(manifest)).filter((clip) => clip.set === set);
const { pairs } = await retrieve({ clips, from, to, methods: 'seqsim+csls' });
for (const { candidates, variants } of pairs) {
  for (const { variant, r1, mrr } of variants)
    console.log(
      `${variant.name}: R@1 ${r1.value.toFixed(2)} and MRR ${mrr.value.toFixed(2)} among ${candidates}`,
    );
}
