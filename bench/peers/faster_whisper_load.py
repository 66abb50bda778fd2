"""A process of its own: loads the model as faster-whisper does, reads one recording, and prints the seconds of each.

    python bench/peers/faster_whisper_load.py <CTranslate2 folder> <recording> <threads>

{"imported": s, "loaded": s, "first": s, "text": "…", "versions": {…}}: the program, the model in int8, the text (greedy, English).
"""

import sys
import time

started = time.perf_counter()
from faster_whisper import WhisperModel  # noqa: E402

from peer import say, versions  # noqa: E402

folder, audio, threads = sys.argv[1:]
imported = time.perf_counter()
model = WhisperModel(folder, device="cpu", compute_type="int8", cpu_threads=int(threads))
loaded = time.perf_counter()
segments, _ = model.transcribe(audio, language="en", beam_size=1, temperature=0)
text = "".join(segment.text for segment in segments).strip()
ended = time.perf_counter()
say({
    "imported": imported - started, "loaded": loaded - imported, "first": ended - loaded, "text": text,
    "versions": versions(),
})
