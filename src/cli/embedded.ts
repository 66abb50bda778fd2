/** What comes with the package. */
import { fileURLToPath } from 'node:url';

const packaged = (path: string): string => fileURLToPath(new URL(`../../${path}`, import.meta.url));

/** Whisper base, int8, multilingual. */
export const embeddedModel = packaged('models/whisper-base-int8');
export const embeddedSamples = packaged('samples');
