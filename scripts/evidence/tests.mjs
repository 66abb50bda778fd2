/** What English first is tested on: the new sentences (synthetic; English, German, French) and half B of GCompris (people). */
export function testClips(samples) {
  const keys = [...new Set(samples.filter(({ set }) => set === 'intro').map(({ key }) => key))].sort();
  const halfB = new Set(keys.filter((_, i) => i % 2 === 1));
  return samples.filter(({ set, key }) => set === 'new' || (set === 'intro' && halfB.has(key)));
}
