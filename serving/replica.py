"""Inside a replica: ``ray.serve.llm``'s server, kept to this machine and to as few processes as its engine needs.

How requests are served is not touched. What is: the replica's internal port listens on loopback, no usage report is
sent, and a model on one CPU has one engine process, not two. Beside :mod:`serving.apps`, which imports it only in the
replica, the one module that imports ray; importing it takes ten seconds, for it brings vLLM.
"""

from __future__ import annotations

from typing import Any

from ray.llm._internal.common.callbacks.base import CallbackBase
from ray.llm._internal.serve.engines.vllm.vllm_engine import VLLMEngine
from ray.serve.llm import LLMConfig
from ray.serve.llm.deployment import LLMServer

from serving.loopback import listen_on_loopback


class Engine(VLLMEngine):
    """vLLM as Ray starts it, without a second process for a model that fits one."""

    def _start_async_llm_engine(self, engine_args: Any, vllm_config: Any, placement_group: Any) -> Any:  # noqa: ANN401
        # Ray asks for a worker process per CPU engine because that is where vLLM pins threads. With threads unpinned
        # (serving.environment) it would only cost a second import of everything and a copy of each batch.
        parallel = vllm_config.parallel_config
        if vllm_config.device_config.device_type == "cpu" and parallel.world_size == 1:
            parallel.distributed_executor_backend = "uni"
        return super()._start_async_llm_engine(engine_args, vllm_config, placement_group)


class LoadItself(CallbackBase):
    """Leaves fetching the weights to vLLM, instead of to one more process that imports everything once more."""

    async def on_before_node_init(self) -> None:
        """Called by the engine before it would start that process."""
        self.ctx.run_init_node = False


class Server(LLMServer):
    """Ray's server for one replica of a model."""

    _default_engine_cls = Engine

    async def _start_engine(self) -> None:
        await self.engine.start()  # the original also starts an actor that reports usage


async def start_server(config: dict[str, Any]) -> LLMServer:
    """Load the model; returns when it can answer. ``config`` is what Ray's ``LLMConfig`` takes."""
    listen_on_loopback()
    server = Server.sync_init(LLMConfig(**config, callback_config={"callback_class": LoadItself}))
    await server.start()
    return server
