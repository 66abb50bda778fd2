// The ratios and goals of bench/gpu.sh: node bench/gpu-ratios.mjs OURS.json THEIRS.json MEMORY SECONDS
import { existsSync, readFileSync } from 'node:fs';

const [ours, theirs, memory, seconds] = process.argv.slice(2);
const read = (file) => (existsSync(file) ? readFileSync(file, 'utf8').trim() : '');
const own = JSON.parse(read(ours));
const peer = JSON.parse(read(theirs) || '{}');

const KINDS = ['fp32', 'tf32', 'bf16', 'fp16'];
/** The peer's seconds of a measurement: its fastest kind, or the one that is named. */
function peerSeconds(name, kinds = KINDS) {
  const found = kinds.map((kind) => peer[name.replace('*', kind)]).filter((x) => typeof x === 'number');
  return found.length > 0 ? Math.min(...found) : undefined;
}

const goals = [];
function goal(name, own, peer, largest) {
  const ratio = own !== undefined && peer !== undefined ? own / peer : undefined;
  goals.push({ name, goal: `<= ${largest}`, ours: own, peer, ratio, reached: ratio === undefined ? 'not measured' : ratio <= largest });
}
const shapes = Object.keys(own).flatMap((name) => /^step (.+)$/.exec(name)?.[1] ?? []);
for (const shape of shapes) {
  const largest = shape === 'large-v3' ? 1.2 : 1;
  goal(`training step, ${shape}, with the state's way`, own[`step ${shape}`]?.secondsPerStep, peerSeconds(`step ${shape} *`), largest);
  goal(`training step, ${shape}, further steps`, own[`step ${shape}`]?.secondsPerFurtherStep, peerSeconds(`step ${shape} *`), largest);
  for (const numbers of ['', ' float16']) {
    const encoder = own[`encoder ${shape}${numbers}, full windows`];
    goal(`encoder, ${shape}${numbers}, full windows`, encoder?.seconds, peerSeconds(`encoder ${shape} *, full windows`, ['fp16', 'fp32']), 1.2);
    const greedy = own[`greedy ${shape}${numbers}`];
    if (greedy) goal(`greedy, ${shape}${numbers}`, greedy.seconds, peerSeconds(`greedy ${shape} *`), 0.5);
  }
}
const used = read(memory).split('\n').map(Number).filter(Number.isFinite);
console.log(
  JSON.stringify(
    { goals, ours: own, peer, ...(used.length > 1 && { cardMemoryGB: Math.max(...used) / 1024 }), seconds: Number(seconds) },
    null,
    1,
  ),
);
