"""Contract with OpenAI's Python client, unchanged but for the address: every format, granularity, stream and class of error.

    pip install openai
    node dist/cli/main.js serve --port 8000 --max-upload 1MB &
    python3 scripts/contract/openai_client.py http://127.0.0.1:8000/v1 samples/gcompris/en/advanced_colors.opus

Prints a line for each check, and ends with 1 where one failed. Passed with openai 3.57.0 on Python 3.11.
"""

import sys

import openai

base_url, recording = sys.argv[1:3]
key = sys.argv[3] if len(sys.argv) > 3 else "none-is-needed"
client = openai.OpenAI(base_url=base_url, api_key=key)
WORDS = "required colo"
failed = 0


def check(what, holds):
    global failed
    failed += not holds
    print("ok    " if holds else "FAILED", what)


def fails(what, error, **options):
    """Checks that a transcription fails with a class of error, and returns it."""
    given = {"model": "whisper-1", "file": ("talk.wav", b"no sound at all"), **options}
    try:
        client.audio.transcriptions.create(**given)
    except openai.APIStatusError as found:
        check(f"{what}: {type(found).__name__} {found.status_code}", type(found) is error)
        return found
    check(f"{what}: an error", False)
    return None


def transcribed(**options):
    with open(recording, "rb") as file:
        return client.audio.transcriptions.create(file=file, **{"model": "whisper-1", **options})


print("openai", openai.__version__)
models = client.models.list().data
check("models.list", len(models) > 0 and models[0].object == "model")
check("models.retrieve", client.models.retrieve(models[0].id).id == models[0].id)

check("json", WORDS in transcribed().text.lower())
check("json by the model's own name", WORDS in transcribed(model=models[0].id).text.lower())
check("text", WORDS in transcribed(response_format="text").lower())
check("srt", transcribed(response_format="srt").startswith("1\n00:00:0"))
check("vtt", transcribed(response_format="vtt").startswith("WEBVTT\n\n00:0"))
both = transcribed(response_format="verbose_json", timestamp_granularities=["word", "segment"], language="en")
check("verbose_json", both.language == "english" and abs(both.duration - 1.88) < 0.1)
check("segments", WORDS in both.segments[0].text.lower() and both.segments[0].avg_logprob < 0)
check("words", WORDS in " ".join(word.word for word in both.words).lower() and both.words[0].end > both.words[0].start)
segments = transcribed(response_format="verbose_json")
check("segments alone", segments.words is None and len(segments.segments) == 1)
probabilities = transcribed(include=["logprobs"]).logprobs
check("logprobs", all(one.logprob <= 0 for one in probabilities) and len(probabilities) > 3)

text, done = "", None
for event in transcribed(stream=True):
    if event.type == "transcript.text.delta":
        text += event.delta
    if event.type == "transcript.text.done":
        done = event
check("stream: deltas are the text", WORDS in text.lower() and done is not None and done.text == text)
check("stream: usage", done.usage.type == "tokens" and done.usage.output_tokens > 3)

with open(recording, "rb") as file:
    check("translation", WORDS in client.audio.translations.create(file=file, model="whisper-1").text.lower())
with open(recording, "rb") as file:
    verbose = client.audio.translations.create(file=file, model="whisper-1", response_format="verbose_json")
check("translation, verbose_json", verbose.language == "english" and len(verbose.segments) == 1)
with open(recording, "rb") as file:
    content = file.read()
nameless = client.audio.transcriptions.create(file=content, model="whisper-1")
check("bytes without a name", WORDS in nameless.text.lower())

bad = fails("bad sound", openai.BadRequestError)
check("bad sound: message and field", bad is not None and bad.body["message"].startswith("talk.wav: found text") and bad.param == "file")
check("bad sound: id of the request", bad is not None and (bad.request_id or "").startswith("req_"))
fails("unknown format", openai.BadRequestError, response_format="xml")
fails("unknown model", openai.NotFoundError, model="nope")
fails("too large", openai.APIStatusError, file=("a.wav", bytes(2_000_000)))

sys.exit(1 if failed else 0)
