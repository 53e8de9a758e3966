"""The page's endpoints on several GPUs or machines, by Ray Serve: ``serve run cotdemo.ui.serving:build replicas=2``.

Needs ``pip install "ray[serve]"``. Every replica has the models once, and paints one prompt at a time; Ray keeps who
waits and gives each request to a replica that is free. Nothing is kept between requests: /reflect is given the trace
that /generate returned, so any replica can go on with it. The page is one process: it keeps its visitors' runs.

    curl -d '{"prompt": "a photo of two red apples", "paths": 8}' localhost:8000/generate
    curl -d '{"trace": ...}' localhost:8000/reflect
"""

import asyncio  # no postponed annotations here: FastAPI reads those of the endpoints
import base64
import json
import os
from typing import Any

import gradio as gr
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse
from ray import serve

from ..fields import each_once
from ..registry import BACKENDS, EMBEDDED
from ..run.trace import MAX_BYTES, Trace
from ..settings import whole
from .bodies import BoundedBodies
from .endpoints import Answer, Endpoints, spoken_errors
from .handlers import Handlers
from .page import Loading

endpoints = FastAPI(title="cotdemo")
endpoints.add_middleware(BoundedBodies, most=MAX_BYTES)


@serve.deployment(max_ongoing_requests=1)
@serve.ingress(endpoints)
class Replica:
    """One copy of the models."""

    def __init__(self, backend: str):
        handlers = Handlers(backend, Loading(backend, None, None))
        handlers.loader.start()
        self._endpoints = Endpoints(handlers)

    @endpoints.post("/generate")
    async def generate(self, request: Request) -> JSONResponse:
        return await self._answered(self._endpoints.painted, request)

    @endpoints.post("/reflect")
    async def reflect(self, request: Request) -> JSONResponse:
        return await self._answered(self._reflected, request)

    def _reflected(self, trace: dict[str, Any], anyway: bool = False) -> Answer:
        with spoken_errors():
            given = Trace.from_json(json.dumps(trace))
        return self._endpoints.reflected(given, anyway)

    async def _answered(self, endpoint: Any, request: Request) -> JSONResponse:
        body = await request.body()
        try:
            asked = json.loads(body, object_pairs_hook=each_once)
            if not isinstance(asked, dict):
                raise ValueError
            answer = await asyncio.to_thread(endpoint, **asked)  # Ray asks meanwhile how it is
        except gr.Error as error:
            return JSONResponse({"error": error.message}, status_code=422)
        except (ValueError, TypeError, RecursionError):  # a name that the endpoint has not, among others
            return JSONResponse({"error": "Send a JSON object with the settings of this endpoint."}, status_code=400)
        told = answer.told(with_trace=True)
        del told["run"]  # which the other replicas do not know
        image = "data:image/png;base64," + base64.b64encode(answer.image()).decode()
        return JSONResponse({"picture": image, **told, "replica": os.getpid()})


def build(arguments: dict[str, str]) -> serve.Application:
    """``backend`` (mini), ``replicas`` (1), and of each ``gpus`` (1, of mini 0) and ``cpus`` (1)."""
    backend = arguments.get("backend", EMBEDDED)
    if backend not in BACKENDS:
        raise ValueError(f"There is no backend {backend!r}; there are {', '.join(BACKENDS)}.")
    replicas = whole("replicas", float(arguments.get("replicas", 1)), 1, 10_000)
    needs = {
        "num_gpus": float(arguments.get("gpus", not BACKENDS[backend].ships)),
        "num_cpus": float(arguments.get("cpus", 1)),
    }
    return Replica.options(num_replicas=replicas, ray_actor_options=needs).bind(backend)
