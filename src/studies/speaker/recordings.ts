/** The recordings of a manifest, and their embeddings. */
import { abortable } from '../../abort.ts';
import { readAudio } from '../../audio/audio-file.ts';
import type { Clip } from '../../data/clip.ts';
import { readManifest } from '../../data/manifest.ts';
import { UserError } from '../../errors.ts';
import { stageProgress, type WorkOptions } from '../../report/progress.ts';
import { embedClips } from '../../speakers/embedder.ts';
import { loadSpeaker } from '../../speakers/speaker-file.ts';
import { WhisperModel } from '../../whisper/model.ts';
import { withModel } from '../../whisper/with-model.ts';
import { columnOf } from '../probes/labels.ts';
import { clipsWithLabel, ofSets } from '../probes/select.ts';

export interface SpeakerRecording {
  readonly clip: Clip;
  /** 16 kHz mono */
  readonly samples: Float32Array;
}

/** Reads recordings; those that cannot be read are skipped. @throws UserError where that leaves none */
export async function readRecordings(clips: readonly Clip[], work: WorkOptions): Promise<SpeakerRecording[]> {
  const found: SpeakerRecording[] = [];
  const progress = stageProgress(work, 'reading', clips.length);
  for (const [i, clip] of clips.entries()) {
    try {
      found.push({ clip, samples: await readAudio(clip.audio) });
    } catch (error) {
      work.onSkip?.((error as Error).message);
    }
    progress(i + 1);
  }
  if (found.length === 0) throw new UserError('found no recording that can be read; expected some');
  return found;
}

export interface SpokenBy {
  readonly manifest: string;
  /** Column that names the speaker. */
  readonly label: string;
  /** Only this set of the manifest. Default: all. */
  readonly set?: string | undefined;
}

/** Recordings of a manifest with their speakers. */
export async function recordingsBySpeaker(
  { manifest, label, set }: SpokenBy,
  events: WorkOptions,
): Promise<(SpeakerRecording & { readonly speaker: string })[]> {
  const { clips } = await clipsWithLabel(manifest, { label });
  const chosen = set === undefined ? clips : ofSets(manifest, clips, [set]);
  const recordings = await readRecordings(chosen, events);
  return recordings.map((recording) => ({ ...recording, speaker: columnOf(recording.clip, label) }));
}

export interface EmbedOptions extends WorkOptions {
  readonly model: string;
  /** Folder of the speaker model. Default: the encoder's mean frame as it is. */
  readonly speaker?: string | undefined;
}

/** Embeddings of recordings in their order. */
export function embedRecordings(
  recordings: readonly SpeakerRecording[],
  { model: directory, speaker, ...work }: EmbedOptions,
): Promise<Float32Array[]> {
  return withModel(WhisperModel.load(directory), async (model) => {
    if (speaker !== undefined) await loadSpeaker(speaker, model);
    return embedClips(
      model,
      recordings.map(({ samples }) => samples),
      speaker !== undefined,
      stageProgress(work, 'embedding', recordings.length),
    );
  });
}

/** Embeddings of a manifest's recordings. */
export function embedManifest(
  manifest: string,
  options: EmbedOptions,
): Promise<{ audio: string; embedding: Float32Array }[]> {
  return abortable(options.signal, async () => {
    const recordings = await readRecordings(await readManifest(manifest), options);
    const vectors = await embedRecordings(recordings, options);
    return recordings.map(({ clip }, i) => ({ audio: clip.audio, embedding: vectors[i]! }));
  });
}
