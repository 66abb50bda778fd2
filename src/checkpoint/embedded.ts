/** The model that comes with the package. */
import { fileURLToPath } from 'node:url';

/** Whisper base, int8, multilingual. */
export const embeddedModel = fileURLToPath(new URL('../../models/whisper-base-int8', import.meta.url));
