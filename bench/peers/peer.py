"""What the peers share: the list of clips, the versions, and how a peer talks to the benchmark that drives it."""

import json
import platform
import resource
import statistics
import sys
import time
from importlib import metadata
from pathlib import Path
from typing import Callable

PACKAGES = ("torch", "transformers", "faster-whisper", "ctranslate2", "pywhispercpp", "sacrebleu", "jiwer")


def versions() -> dict[str, str]:
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            pass
    return found


def peak_rss_mb() -> int:
    """Peak resident memory of this process, in MiB (Linux reports KiB, macOS bytes)."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return round(peak / (1024 * 1024 if sys.platform == "darwin" else 1024))


def say(message: dict) -> None:
    print(json.dumps(message, ensure_ascii=False), flush=True)


def read_list(file: str) -> list[tuple[str, str]]:
    """Clips as (path, language code), from lines of path, tab, language code."""
    clips = []
    for number, line in enumerate(Path(file).read_text(encoding="utf-8").splitlines(), 1):
        if not line.strip():
            continue
        path, tab, language = line.partition("\t")
        if not tab:
            raise SystemExit(f"{file}:{number}: expected path, tab, language code; found {line!r}")
        clips.append((path, language.strip()))
    if not clips:
        raise SystemExit(f"{file}: no clip in this list")
    return clips


def drive(step: Callable[[], dict], steps: int, per: str, facts: dict) -> None:
    """Measures `step`. With steps > 0 it runs that many by itself; with 0 it says {"ready": true, ...} and then runs
    one step for each line "go" on stdin, answering {"seconds": s, ...}, until "stop" or the end of input; so the
    benchmark can take turns between this peer and the program it compares with. The last line is the summary:
    {per: median, "steps": [...], "last": what the last step returned, "peak_rss_mb": n, "versions": {...}}."""
    seconds, last = [], {}

    def one() -> dict:
        started = time.perf_counter()
        result = step()
        last.update(result)
        seconds.append(time.perf_counter() - started)
        return {"seconds": round(seconds[-1], 6), **result}

    if steps > 0:
        for _ in range(steps):
            one()
    else:
        say({"ready": True, **facts, "versions": versions()})
        for line in sys.stdin:
            if line.strip() == "stop":
                break
            if line.strip() != "go":
                raise SystemExit(f'peer: expected "go" or "stop" on stdin, found {line.strip()!r}')
            say(one())
    say({
        per: round(statistics.median(seconds), 6) if seconds else None, "steps": [round(s, 6) for s in seconds],
        "last": last, **facts, "peak_rss_mb": peak_rss_mb(), "versions": versions(),
    })


if __name__ == "__main__":
    say(versions())
