"""faster-whisper behind a server of FastAPI that batches as well as CTranslate2 can: the peer of `npm run bench -- serve`.

    python bench/peers/serve_faster_whisper.py --model <CTranslate2 folder> --port 8100 [--batch 16] [--threads 2]

POST /v1/audio/transcriptions takes a file of at most 30 s and its language. Files are read, and log-mel computed, by threads beside
the event loop; whatever waits when the model is free is one batch of encoder and decoder, greedy, without timestamps, as
BatchedInferencePipeline decodes the pieces of one file.
"""

import argparse
import asyncio
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from io import BytesIO

import ctranslate2
import numpy as np
import uvicorn
from fastapi import FastAPI, Form, UploadFile
from faster_whisper import WhisperModel
from faster_whisper.audio import decode_audio, pad_or_trim
from faster_whisper.tokenizer import Tokenizer

from peer import say, versions

parser = argparse.ArgumentParser()
parser.add_argument("--model", required=True)
parser.add_argument("--port", type=int, required=True)
parser.add_argument("--batch", type=int, default=16)
parser.add_argument("--compute", default="int8")
parser.add_argument("--threads", type=int, default=2)
options = parser.parse_args()

model = WhisperModel(options.model, device="cpu", compute_type=options.compute, cpu_threads=options.threads)
readers = ThreadPoolExecutor(2)
decoder = ThreadPoolExecutor(1)
queue: asyncio.Queue = asyncio.Queue()


def read(data: bytes) -> np.ndarray:
    features = model.feature_extractor(decode_audio(BytesIO(data)))
    return pad_or_trim(features[..., :3000])


def decode(features: list[np.ndarray], languages: list[str]) -> list[str]:
    tokenizers = [Tokenizer(model.hf_tokenizer, True, task="transcribe", language=language) for language in languages]
    encoded = model.model.encode(ctranslate2.StorageView.from_array(np.stack(features).astype(np.float32)))
    results = model.model.generate(
        encoded, [model.get_prompt(tokenizer, [], without_timestamps=True) for tokenizer in tokenizers], beam_size=1,
    )
    return [
        tokenizer.decode(result.sequences_ids[0]).strip() for tokenizer, result in zip(tokenizers, results, strict=True)
    ]


async def batches() -> None:
    loop = asyncio.get_running_loop()
    while True:
        batch = [await queue.get()]
        while len(batch) < options.batch and not queue.empty():
            batch.append(queue.get_nowait())
        try:
            texts = await loop.run_in_executor(decoder, decode, [one[0] for one in batch], [one[1] for one in batch])
            for (_, _, done), text in zip(batch, texts, strict=True):
                done.set_result(text)
        except Exception as error:
            for _, _, done in batch:
                done.set_exception(error)


@asynccontextmanager
async def running(_: FastAPI) -> AsyncIterator[None]:
    task = asyncio.create_task(batches())
    say({"ready": True, "versions": versions()})
    yield
    task.cancel()


app = FastAPI(lifespan=running)


@app.post("/v1/audio/transcriptions")
async def transcribe(file: UploadFile, language: str = Form("en")) -> dict:
    loop = asyncio.get_running_loop()
    features = await loop.run_in_executor(readers, read, await file.read())
    done = loop.create_future()
    await queue.put((features, language, done))
    return {"text": await done}


uvicorn.run(app, host="127.0.0.1", port=options.port, log_level="warning")
