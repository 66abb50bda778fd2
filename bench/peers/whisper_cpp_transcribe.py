"""whisper.cpp's time for transcribing a list of recordings, one after the other.

    python bench/peers/whisper_cpp_transcribe.py --model <file> --files-from <list> --beam 1 [--steps 1] [--threads 2]

By pywhispercpp, as its wheel from PyPI is built; the file comes from whisper_cpp_model.py. Language given, transcribe,
timestamps, temperature 0 alone, no context of earlier text, no voice activity filter. The list, and the turns, are as in
faster_whisper_transcribe.py. Reading the audio files is part of the time.
"""

import argparse

from pywhispercpp.model import Model

from peer import drive, read_list


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", required=True)
    parser.add_argument("--files-from", required=True)
    parser.add_argument("--beam", type=int, default=1)
    parser.add_argument("--steps", type=int, default=0)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()

    recordings = read_list(options.files_from)
    search = (
        {"beam_search": {"beam_size": options.beam, "patience": -1.0}}
        if options.beam > 1
        else {"greedy": {"best_of": 1}}
    )
    model = Model(
        options.model, params_sampling_strategy=int(options.beam > 1), redirect_whispercpp_logs_to=None,
        n_threads=options.threads, print_progress=False, no_context=True, temperature=0.0, temperature_inc=0.0, **search,
    )

    def transcribe(path: str, language: str) -> list:
        segments = model.transcribe(path, language=language)
        # Times are in hundredths of a second.
        return [{"start": s.t0 / 100, "end": s.t1 / 100, "text": s.text} for s in segments]

    def one_pass() -> dict:
        found = [transcribe(*recording) for recording in recordings]
        return {
            "texts": [" ".join(segment["text"].strip() for segment in segments) for segments in found],
            "segments": found,
        }

    drive(one_pass, options.steps, "seconds_per_pass", {
        "peer": "whisper.cpp", "recordings": len(recordings), "beam": options.beam, "threads": options.threads,
    })


if __name__ == "__main__":
    main()
