"""A model of the fleet: where its weights come from, what runs it, and on what."""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum
from typing import Annotated, Self

from pydantic import Field, JsonValue, model_validator

from cluster.spec.base import FieldPath, MisfitError, Name, Noun

BUILTIN_SOURCES = ("builtin:tiny-small", "builtin:tiny-large", "builtin:minilm")
"""Models that need no hub: two with random weights, and MiniLM, which a Python package carries."""


_ANSWER_TOKENS = 4096


class Engine(StrEnum):
    """What answers for a model."""

    VLLM = "vllm"
    """vLLM in a Ray Serve application that Freehold starts."""
    URL = "url"
    """Any OpenAI-compatible server that runs already: Ollama, a vLLM of your own."""
    FREEHOLD = "freehold"
    """Another site's gateway, one of ``sites``."""
    CLAUDE = "claude"
    """Claude, or another server of the Messages API, outside of the site and for money."""
    SIMULATED = "simulated"
    """What ``vllm`` would be on the stated GPUs, without any: its surface and its timing, and a word salad to say."""


class Egress(StrEnum):
    """How far away from here a target is."""

    SAME_SITE = "same-site"
    """Within the same walls and under the same rules: everything may go there."""
    SAME_OWNER = "same-owner"
    """Your own hardware elsewhere: all may go there but what says ``x-freehold-egress: never``, and it is on record."""
    OUTSIDE = "outside"
    """Somebody else's: only what a plan with ``egress`` lets go, and it is on record."""


class Capability(StrEnum):
    """What a model can be asked for; a request that needs more is sent elsewhere or refused."""

    CHAT = "chat"
    TOOLS = "tools"
    JSON_SCHEMA = "json_schema"
    VISION = "vision"
    EMBEDDINGS = "embeddings"


class Accelerator(Noun):
    """The GPUs that one replica needs."""

    type: Annotated[str, Field(min_length=1, max_length=64)] = "cpu"
    """``cpu``, or the GPU's name as Ray knows it, such as ``L40S`` or ``H100``."""
    count: Annotated[int, Field(ge=0, le=64)] = 0
    """GPUs per replica; 0 with ``type: cpu``."""
    cpus: Annotated[float, Field(gt=0, le=1024)] = 1
    """CPU cores that Ray reserves for one replica."""

    @model_validator(mode="after")
    def _count_matches_type(self) -> Self:
        if self.type == "cpu" and self.count:
            raise MisfitError((("count",), "a replica on type 'cpu' has no GPUs; name the GPU type or set count to 0"))
        if self.type != "cpu" and not self.count:
            raise MisfitError((("count",), f"a replica on {self.type!r} needs at least 1 GPU; set count"))
        return self


class Autoscaling(StrEnum):
    """What decides how many copies run."""

    ONGOING = "ongoing"
    """Ray Serve's own policy: ``target_ongoing_requests`` in flight per copy."""
    SLO = "slo"
    """What a copy takes at the latencies that ``slo`` promises, for the load that is forecast."""


class Replicas(Noun):
    """Between how many copies Ray Serve scales a model."""

    min: Annotated[int, Field(ge=0, le=1000)] = 1
    """Copies that always run. With 0, the last copy goes after ``downscale_delay_s`` without a request, and the next
    request waits for a new one (``gateway.deadlines.first_token`` must cover the cold start); Ray Serve only."""
    max: Annotated[int, Field(ge=1, le=1000)] = 1
    """Copies at most."""
    autoscaling: Autoscaling = Autoscaling.ONGOING
    """What decides between ``min`` and ``max``. ``slo`` needs a latency in ``slo`` and a model that
    ``freehold simulate`` has figures for; it goes by tokens and by the clock, not by requests in flight."""
    cold_start_s: Annotated[float, Field(ge=0, le=7200)] = 120
    """Seconds from the decision to a new copy's first answer, which ``slo`` looks ahead by: loading weights, compiling,
    capturing graphs; 120 suits a model of 8B on a local disk. ``freehold up`` prints what it took here."""
    target_ongoing_requests: Annotated[float, Field(gt=0, le=10_000)] = 16
    """Requests in flight per copy that autoscaling aims at."""
    max_ongoing_requests: Annotated[int, Field(ge=1, le=100_000)] = 256
    """Requests in flight that one copy accepts; vLLM batches and queues within it."""
    upscale_delay_s: Annotated[float, Field(ge=0, le=3600)] = 10
    """Seconds that the load must stay high before a copy is added."""
    downscale_delay_s: Annotated[float, Field(ge=0, le=86_400)] = 300
    """Seconds that the load must stay low before a copy is removed."""

    @model_validator(mode="after")
    def _min_up_to_max(self) -> Self:
        if self.min > self.max:
            raise MisfitError((("max",), f"{self.max} is below min {self.min}; raise max or lower min"))
        return self


class Price(Noun):
    """What a hosted model costs, in US dollars per million tokens, as its price list says."""

    prompt: Annotated[float, Field(ge=0, le=1e6, allow_inf_nan=False)]
    """For prompt tokens."""
    completion: Annotated[float, Field(ge=0, le=1e6, allow_inf_nan=False)]
    """For output tokens, those of reasoning included."""
    cached_prompt: Annotated[float, Field(ge=0, le=1e6, allow_inf_nan=False)] | None = None
    """For prompt tokens that its cache held; the price of ``prompt`` where it is not set."""
    cache_write: Annotated[float, Field(ge=0, le=1e6, allow_inf_nan=False)] | None = None
    """For prompt tokens that its cache took in; the price of ``prompt`` where it is not set."""


class Model(Noun):
    """One model that callers can name by its key in ``models``."""

    engine: Engine = Engine.VLLM
    """What answers: ``vllm`` (Freehold starts it), ``url`` (it runs already), ``freehold`` (it runs at another of your
    ``sites``), ``claude`` (it is hosted), or ``simulated`` (Freehold starts what answers as vLLM would on the stated
    GPUs, and needs none)."""
    source: str = ""
    """For ``vllm`` and ``simulated``: a Hugging Face id, a local path (absolute, or starting with ``.``), or one of
    ``builtin:tiny-small``, ``builtin:tiny-large``, ``builtin:minilm``. ``simulated`` without it gives 50 tokens a
    second."""
    revision: str | None = None
    """A commit or tag of a hub model, so that a restart serves the same weights. Default: the hub's newest."""
    url: Annotated[str, Field(pattern=r"^(https?://[^\s]+)?$")] = ""
    """For ``url`` and ``claude``: the server's base, without ``/v1``, such as ``http://localhost:11434``. Not set for
    ``claude``: ``https://api.anthropic.com``."""
    site: str = ""
    """For ``freehold``: the one of ``sites`` that answers. A model that runs here and elsewhere, too, needs none; see
    ``sites.*.offers``."""
    served_as: str = ""
    """The name that the server knows the model by. Default: the key in ``models``."""
    api_key_env: str = ""
    """For ``url`` and ``claude``: the environment variable that holds the server's key, for ``claude``
    ``ANTHROPIC_API_KEY`` where none is set. Never the key itself."""
    answer_tokens: Annotated[int, Field(ge=1, le=10_000_000)] | None = None
    """For ``claude`` and ``simulated``: the limit of an answer whose request sets none; that much is reserved. Where it
    is not set, 4096 for ``claude``."""
    logprobs: bool = False
    """For ``url``: the server gives log probabilities with streamed chat answers (vLLM and SGLang do), so that
    ``routing.cascade`` may look at them. ``vllm`` needs no word for it."""
    price: Price | None = None
    """For ``url`` and ``claude``: what each token costs. A model with a price is a paid target: it is outside of the
    site, needs a plan with ``egress``, and every request reserves its worst case from the budgets first."""
    egress: Egress | None = None
    """For ``url``: how far away the server is. Default: ``outside`` with a price, ``same-site`` without one."""
    own_cost: Price | None = None
    """For ``vllm``, and ``url`` without a price: what a token costs on your own hardware, in US dollars per million,
    such as GPU hours divided by the tokens of a load test. For the dial and for explanations: nobody is charged."""
    adapters: dict[Name, str] = Field(default={})
    """For ``vllm`` and ``url``: LoRA adapters that named routes may use, by the name that the engine knows them by. For
    ``vllm`` a Hugging Face id or a path, loaded at its start; for ``url`` a reminder of where it is from."""
    engine_args: dict[Name, JsonValue] = Field(default={})
    """vLLM's own engine arguments, in vLLM's spelling with underscores; vLLM checks them."""
    speed: Annotated[float, Field(gt=0, le=1000, allow_inf_nan=False)] = 1
    """For ``simulated``: how many times as fast as real it answers. At 10, all latencies are a tenth; 1 is real."""
    context_length: Annotated[int, Field(ge=16, le=100_000_000)] = 8192
    """Prompt and answer together, in tokens; given to vLLM as ``max_model_len``."""
    capabilities: tuple[Capability, ...] = (Capability.CHAT,)
    """What the model can be asked for."""
    accelerator: Accelerator = Accelerator()
    replicas: Replicas = Replicas()

    @model_validator(mode="after")
    def _fields_match_engine(self) -> Self:
        checks = {
            Engine.URL: self._url_misfits,
            Engine.CLAUDE: self._claude_misfits,
            Engine.FREEHOLD: self._freehold_misfits,
        }
        misfits = list(checks.get(self.engine, self._vllm_misfits)())
        if self.speed != 1 and self.engine is not Engine.SIMULATED:
            misfits.append((("speed",), "only engine 'simulated' has it; others are as fast as they are"))
        if self.site and self.engine is not Engine.FREEHOLD:
            misfits.append((("site",), "only engine 'freehold' has it; list the model in sites.*.offers instead"))
        if self.egress is not None and self.engine is not Engine.URL:
            misfits.append((("egress",), "only engine 'url' has it; of other sites, sites.*.egress tells it"))
        if self.price is not None and self.egress not in {None, Egress.OUTSIDE}:
            misfits.append((("egress",), "what costs money is outside; set own_cost instead of price, or remove it"))
        if "max_model_len" in self.engine_args:
            misfits.append((("engine_args", "max_model_len"), "set context_length instead; the gateway needs it too"))
        if self.is_embedding and len(self.capabilities) > 1:
            misfits.append((("capabilities",), "a model that embeds does nothing else; keep only embeddings"))
        if self.own_cost is not None and self.price is not None:
            misfits.append((("own_cost",), "a model with a price costs that; remove one of them"))
        MisfitError.unless_none(misfits)
        return self

    def _vllm_misfits(self) -> Iterator[tuple[FieldPath, str]]:
        real = self.engine is Engine.VLLM
        if not self.source and real:
            yield ("source",), "engine 'vllm' needs a Hugging Face id, a path or builtin:tiny-small"
        if self.source.startswith("builtin:") and self.source not in BUILTIN_SOURCES:
            yield ("source",), f"no built-in model {self.source!r}"
        for field in ("url", "served_as", "api_key_env", "answer_tokens", "logprobs"):
            if getattr(self, field) and (real or field != "answer_tokens"):
                yield (field,), "only hosted engines have it; set engine: url (or claude), or remove it"

    def _url_misfits(self) -> Iterator[tuple[FieldPath, str]]:
        if not self.url:
            yield ("url",), "engine 'url' needs the server's address, such as http://localhost:11434"
        if self.answer_tokens:
            yield ("answer_tokens",), "only engine 'claude' has it; other servers need no limit"
        yield from self._foreign()

    def _freehold_misfits(self) -> Iterator[tuple[FieldPath, str]]:
        if not self.site:
            yield ("site",), "engine 'freehold' needs one of sites"
        for field in ("url", "api_key_env", "answer_tokens", "logprobs", "price", "adapters"):
            if getattr(self, field):
                yield (field,), "engine 'freehold' has none; address, key and price are those of its site"
        yield from self._foreign()

    def _claude_misfits(self) -> Iterator[tuple[FieldPath, str]]:
        if self.price is None:
            yield ("price",), "engine 'claude' costs money; copy prompt and completion from the vendor's price list"
        if self.is_embedding:
            yield ("capabilities",), "engine 'claude' embeds nothing; remove embeddings"
        if self.adapters:
            yield ("adapters",), "engine 'claude' has no adapters; remove them"
        if self.logprobs:
            yield ("logprobs",), "engine 'claude' gives none; remove it"
        yield from self._foreign()

    def _foreign(self) -> Iterator[tuple[FieldPath, str]]:
        for field in ("source", "revision", "engine_args"):
            if getattr(self, field):
                yield (field,), "only engine 'vllm' has it; the server at url chooses its own"

    @property
    def runs_here(self) -> bool:
        """Whether Freehold starts what answers."""
        return self.engine in {Engine.VLLM, Engine.SIMULATED}

    @property
    def key_env(self) -> str:
        """The environment variable that holds the key; empty for none."""
        return self.api_key_env or ("ANTHROPIC_API_KEY" if self.engine is Engine.CLAUDE else "")

    @property
    def answer_limit(self) -> int:
        """Tokens of the longest answer to a request that sets no limit."""
        return self.answer_tokens or (_ANSWER_TOKENS if self.engine is Engine.CLAUDE else self.context_length)

    @property
    def tells_doubt(self) -> bool:
        """Whether its answers come with log probabilities; what leaves the site is not asked for them."""
        return not self.is_outside and (self.runs_here or self.logprobs)

    @property
    def may_sleep(self) -> bool:
        """Whether it may be without a replica, which any request at all would start again."""
        return self.runs_here and not self.replicas.min

    @property
    def is_outside(self) -> bool:
        """Whether it is somebody else's; only what may, and within a budget, gets there."""
        return self.price is not None or self.egress is Egress.OUTSIDE

    @property
    def leaves_site(self) -> bool:
        """Whether what is sent to it leaves the site, be it to hardware of your own; that is on record."""
        return self.is_outside or self.egress is Egress.SAME_OWNER

    @property
    def is_embedding(self) -> bool:
        """Whether the model embeds texts rather than writing them."""
        return Capability.EMBEDDINGS in self.capabilities
