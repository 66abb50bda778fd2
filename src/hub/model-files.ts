/** Files of a Whisper model in the layout of transformers: what is downloaded of one, uploaded, and written beside its weights. */

export const CONFIG = 'config.json';
export const WEIGHTS = 'model.safetensors';
/** Of weights in shards. */
export const INDEX = 'model.safetensors.index.json';

const SHARD = /^model-\d+-of-\d+\.safetensors$/;

/** Files that training copies from the base model: those of WhisperProcessor, and the licence. */
export const COPIED_FILES = [
  'tokenizer_config.json',
  'vocab.json',
  'merges.txt',
  'normalizer.json',
  'added_tokens.json',
  'special_tokens_map.json',
  'LICENSE',
];

/** Files of a model beside its weights. */
export const COMPANIONS = [
  ...COPIED_FILES,
  CONFIG,
  'generation_config.json',
  'preprocessor_config.json',
  'processor_config.json',
  'tokenizer.json',
  'target_vocabulary.json',
];

/** Folders that this project's training adds: experts of a language, the model before English first. */
const FOLDERS = /^(experts|english)\//;

export const isWeights = (path: string): boolean => path === WEIGHTS || SHARD.test(path);

/** Whether a file in a folder or repository is a part of a model: what `hub push` uploads. */
export const isModelFile = (path: string): boolean =>
  COMPANIONS.includes(path) ||
  path === INDEX ||
  isWeights(path) ||
  (FOLDERS.test(path) && /(\.(json|txt|safetensors)|\/LICENSE)$/.test(path));
