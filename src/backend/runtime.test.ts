/** The computing thread's life: closed, or left, while it computes. */
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { Graph } from '../graph/graph.ts';
import { matmul } from '../graph/ops.ts';
import { float32, Runtime } from './runtime.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const SIZE = 1500;

/** With what it is made of, so that its text runs elsewhere, too. */
function slowGraph(made: { Graph: typeof Graph; matmul: typeof matmul }, size: number): Graph {
  const graph = new made.Graph();
  const x = graph.input('x', [size, size]);
  let y = x;
  for (let i = 0; i < 12; i++) y = made.matmul(y, x);
  graph.output('y', y);
  return graph;
}

test('a closed runtime rejects what is waited for at once, and everything after', async () => {
  const runtime = new Runtime();
  const program = await runtime.load(slowGraph({ Graph, matmul }, SIZE), { builtIn: () => false });
  const x = float32(new Float32Array(SIZE * SIZE), [SIZE, SIZE]);
  const run = runtime.run(program, { x }, { fetch: ['y'] });
  const closed = runtime.close();
  await expect(run).rejects.toThrow('the model was closed');
  await expect(runtime.free([])).resolves.toBeUndefined();
  await expect(runtime.read([])).rejects.toThrow(new TypeError('the model is closed'));
  await closed;
});

/** Runs in a process of its own; `end` comes in the middle of a graph run. */
function ends(end: string): { status: number | null; stderr: string; stdout: string } {
  const code = `
    import { float32, Graph, matmul, Runtime } from 'whisper-transfer/graph';
    const SIZE = ${SIZE};
    const graph = (${slowGraph})({ Graph, matmul }, SIZE);
    const runtime = new Runtime();
    const program = await runtime.load(graph, { builtIn: () => false });
    const x = float32(new Float32Array(SIZE * SIZE), [SIZE, SIZE]);
    const run = () => runtime.run(program, { x }, { fetch: ['y'] });
    ${end}`;
  return spawnSync(process.execPath, ['--input-type=module', '--eval', code], {
    cwd: root,
    encoding: 'utf8',
  });
}

test('a process may exit in the middle of a graph run, and ends by itself when nothing is waited for', () => {
  expect(ends('run(); run(); setTimeout(() => process.exit(5), 50);')).toMatchObject({
    status: 5,
    stderr: '',
  });
  expect(ends('await run(); console.log("done");')).toMatchObject({
    status: 0,
    stdout: 'done\n',
    stderr: '',
  });
});
