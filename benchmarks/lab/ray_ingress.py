"""``ray.serve.llm``'s own multi-model ingress before a server class that does nothing: the peer that Freehold replaces.

``python -m benchmarks.lab.ray_ingress --port N --temp DIR`` serves until SIGTERM. Ray's defaults are kept: its HTTP
proxy, ``OpenAiIngress`` and handles. The server class yields a whole stream as one batch, which is what Ray's own
server makes of chunks that arrive within its 50 ms batching window, and the cheapest case for the ingress.
"""

from __future__ import annotations

import argparse
import signal
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import ray
from ray import serve
from ray.llm._internal.serve.core.configs.llm_config import LLMConfig
from ray.llm._internal.serve.core.configs.openai_api_models import ChatCompletionRequest, ChatCompletionResponse
from ray.llm._internal.serve.core.protocol import LLMServerProtocol
from ray.serve.llm import build_openai_app

from benchmarks.lab.answers import CHUNKS, Question, events, whole


class NothingServer(LLMServerProtocol):
    """Answers chat at once with the do-nothing engine's content."""

    def __init__(self, llm_config: LLMConfig) -> None:
        """Prepare the answers of one model."""
        super().__init__()
        model = llm_config.model_id
        self._whole = ChatCompletionResponse.model_validate(whole(model))
        self._stream = [event.decode() for event in events(Question(model, CHUNKS, usage=False))]

    @classmethod
    def get_deployment_options(cls, *_: object, **__: object) -> dict[str, Any]:
        """One replica."""
        return {"num_replicas": 1, "ray_actor_options": {"num_cpus": 0.1}}

    async def chat(
        self,
        request: ChatCompletionRequest,
        raw_request_info: object = None,  # noqa: ARG002  Ray's signature
    ) -> AsyncGenerator[Any, None]:
        """The whole answer, or its stream as one batch."""
        return self._answer(stream=bool(request.stream))

    async def check_health(self) -> None:
        """Always well."""

    async def _answer(self, *, stream: bool) -> AsyncGenerator[Any, None]:
        yield self._stream if stream else self._whole


def main() -> None:
    """Start Ray in this process's own temporary directory and serve two models."""
    parser = argparse.ArgumentParser(description="ray.serve.llm's ingress before a do-nothing server")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--temp", type=Path, required=True)
    asked = parser.parse_args()
    ray.init(
        num_cpus=4,
        include_dashboard=False,
        _temp_dir=str(asked.temp),
        _node_ip_address="127.0.0.1",
        object_store_memory=100 << 20,
        log_to_driver=False,
    )
    serve.start(http_options={"host": "127.0.0.1", "port": asked.port})
    configs = [
        LLMConfig(model_loading_config={"model_id": name}, server_cls=NothingServer, accelerator_config={"kind": "cpu"})
        for name in ("burst", "other")
    ]
    serve.run(build_openai_app({"llm_configs": configs}))
    signal.sigwait({signal.SIGTERM, signal.SIGINT})
    serve.shutdown()
    ray.shutdown()


if __name__ == "__main__":
    main()
