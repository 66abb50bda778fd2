/** Columns that name who speaks, in manifests of this and other tools. */
export const SPEAKER_COLUMNS: readonly string[] = ['speaker', 'client_id', 'speaker_id'];
