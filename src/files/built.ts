/** What the build makes of the sources, for what is begun from a file of its own: threads, processes, kernels. */

/**
 * The address of a built file. Tests run the sources, and what they begin needs what the build made of them.
 * @param path in the folder of the build: `files/parquet-worker.js`
 */
export const builtFile = (path: string): URL =>
  new URL(import.meta.url.endsWith('.ts') ? `../../dist/${path}` : `../${path}`, import.meta.url);
