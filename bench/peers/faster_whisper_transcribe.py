"""faster-whisper's time for transcribing a list of clips, one after the other.

    python bench/peers/faster_whisper_transcribe.py --model <CTranslate2 folder> --files-from <list> \
        --beam 1 --compute int8 [--steps 1] [--threads 2]

The list has one clip a line: path, tab, language code. Language given, transcribe, without timestamps (but for --timestamps), temperature 0
alone, no conditioning on earlier text, no voice activity filter. --batched: by BatchedInferencePipeline, 16 chunks at a
time, otherwise as it is by default: cut by voice activity, without timestamps. --steps 0 (default): one pass over the
list for each line "go" on stdin, see peer.py. Reading and resampling the audio files is part of the time, as it is for
ours.
"""

import argparse

from faster_whisper import BatchedInferencePipeline, WhisperModel

from peer import drive, read_list


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", required=True)
    parser.add_argument("--files-from", required=True)
    parser.add_argument("--beam", type=int, default=1)
    parser.add_argument("--compute", default="int8", help="int8, float32, …")
    parser.add_argument("--task", choices=["transcribe", "translate"], default="transcribe")
    parser.add_argument("--timestamps", action="store_true")
    parser.add_argument("--batched", action="store_true")
    parser.add_argument("--steps", type=int, default=0)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()

    clips = read_list(options.files_from)
    model = WhisperModel(options.model, device="cpu", compute_type=options.compute, cpu_threads=options.threads)

    pipeline = BatchedInferencePipeline(model) if options.batched else model
    how = (
        {"batch_size": 16}
        if options.batched
        else {
            "without_timestamps": not options.timestamps, "condition_on_previous_text": False, "vad_filter": False,
        }
    )

    def transcribe(path: str, language: str) -> list:
        segments, _ = pipeline.transcribe(
            path, language=language, task=options.task, beam_size=options.beam, temperature=0, **how
        )
        return [{"start": segment.start, "end": segment.end, "text": segment.text} for segment in segments]

    # The first window of the first clip, before anything is timed.
    path, language = clips[0]
    segments, _ = model.transcribe(path, language=language, beam_size=options.beam, temperature=0)
    next(iter(segments), None)

    def one_pass() -> dict:
        found = [transcribe(*clip) for clip in clips]
        return {
            "texts": ["".join(segment["text"] for segment in segments).strip() for segments in found],
            "segments": found,
        }

    drive(one_pass, options.steps, "seconds_per_pass", {
        "peer": "faster-whisper", "clips": len(clips), "beam": options.beam, "compute": options.compute,
        "threads": options.threads,
    })


if __name__ == "__main__":
    main()
