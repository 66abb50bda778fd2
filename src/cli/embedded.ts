/** Recordings that come with the package. */
import { fileURLToPath } from 'node:url';

export const embeddedSamples = fileURLToPath(new URL('../../samples', import.meta.url));
