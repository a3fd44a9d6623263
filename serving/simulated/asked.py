"""The bodies that a simulated engine takes: what vLLM would refuse is refused in its words, the rest becomes an `Ask`.

Fields that change nothing here (``temperature``, ``tools``, ``response_format`` …) are taken and ignored, except that a
call to a tool cannot be demanded: a salad has none to give.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from serving.simulated.text import tokens

_TEMPLATE = ("<|begin|>", "<|{}|>", "\n", "<|end|>")
DIMENSIONS = 384
"""Of an embedding, where the request names no other number; MiniLM's."""
_NO_TOOLS = "The simulated engine calls no tools; set tool_choice to auto or none."
Kind = Literal["chat", "completion", "embedding", "message"]
Tokens = Annotated[int, Field(ge=0, le=200_000)]
"""A token's number, where a prompt is given as numbers."""
Prompt = str | list[Tokens] | list[str] | list[list[Tokens]]


class RefusedError(Exception):
    """The request cannot be served; travels as vLLM's error object."""

    def __init__(self, message: str, param: str | None = None, status: int = 400, kind: str = "") -> None:
        """``param`` is the field at fault, ``kind`` what vLLM calls the error where that does not follow from it."""
        super().__init__(message)
        self.status, self.param = status, param
        self._kind = kind or {400: "BadRequestError", 404: "NotFoundError"}.get(status, "InternalServerError")

    @property
    def body(self) -> dict[str, object]:
        """As vLLM 0.32 says it."""
        return {"error": {"message": str(self), "type": self._kind, "param": self.param, "code": self.status}}


@dataclass(frozen=True, slots=True)
class Ask:
    """A request, understood."""

    kind: Kind
    model: str | None
    """As it was named; None where it was not."""
    prompts: tuple[list[str], ...]
    """Their tokens."""
    n: int = 1
    max_tokens: int | None = None
    min_tokens: int = 0
    ignore_eos: bool = False
    stop: tuple[str, ...] = ()
    seed: int | None = None
    stream: bool = False
    include_usage: bool = False
    continuous_usage: bool = False
    logprobs: int | None = None
    """Alternatives per token; None for no log-probabilities."""
    salt: str = ""
    base64: bool = False
    dimensions: int = DIMENSIONS
    texts: tuple[str, ...] = ()
    """What answers depend on: each prompt in one string."""


class _StreamOptions(BaseModel):
    include_usage: bool | None = False
    continuous_usage_stats: bool | None = False


class _Body(BaseModel):
    model_config = ConfigDict(extra="ignore")

    model: str | None = None
    cache_salt: str | None = None


_AnyBody = TypeVar("_AnyBody", bound=_Body)


class _Sampled(_Body):
    n: Annotated[int, Field(ge=1, le=128)] | None = 1
    max_tokens: int | None = None
    min_tokens: Annotated[int, Field(ge=0)] | None = 0
    ignore_eos: bool | None = False
    stop: str | list[str] | None = None
    seed: int | None = None
    stream: bool | None = False
    stream_options: _StreamOptions | None = None
    temperature: float | None = None

    def ask(self, kind: Kind, prompts: tuple[list[str], ...], most: int | None, logprobs: int | None) -> Ask:
        """With ``most`` tokens at most."""
        if most is not None and most < 1:
            msg = f"max_tokens must be at least 1, got {most}. (parameter=max_tokens, value={most})"
            raise RefusedError(msg, "max_tokens")
        if self.temperature is not None and self.temperature < 0:
            got = self.temperature
            msg = f"temperature must be non-negative, got {got}. (parameter=temperature, value={got})"
            raise RefusedError(msg, "temperature")
        options = self.stream_options or _StreamOptions()
        return Ask(
            kind=kind,
            model=self.model,
            prompts=prompts,
            n=self.n or 1,
            max_tokens=most,
            min_tokens=self.min_tokens or 0,
            ignore_eos=bool(self.ignore_eos),
            stop=(self.stop,) if isinstance(self.stop, str) else tuple(self.stop or ()),
            seed=self.seed,
            stream=bool(self.stream),
            include_usage=bool(options.include_usage),
            continuous_usage=bool(options.include_usage and options.continuous_usage_stats),
            logprobs=logprobs,
            salt=self.cache_salt or "",
            texts=tuple(map("".join, prompts)),
        )


class _Message(BaseModel):
    role: str
    content: str | list[dict[str, Any]] | None = None

    @property
    def text(self) -> str:
        """What is written in it; images and the like weigh nothing here."""
        if isinstance(self.content, list):
            return "".join(str(part.get("text", "")) for part in self.content)
        return self.content or ""


class _Chat(_Sampled):
    messages: Annotated[list[_Message], Field(min_length=1)]
    max_completion_tokens: int | None = None
    logprobs: bool | None = False
    top_logprobs: Annotated[int, Field(ge=0, le=20)] | None = 0
    tool_choice: str | dict[str, Any] | None = None


class _Turns(_Body):
    messages: Annotated[list[_Message], Field(min_length=1)]
    system: str | list[dict[str, Any]] | None = None

    @property
    def turns(self) -> list[_Message]:
        """What the system says is the first of them."""
        return [_Message(role="system", content=self.system), *self.messages] if self.system else self.messages


class _Messages(_Turns):
    max_tokens: Annotated[int, Field(ge=1)]
    stop_sequences: list[str] | None = None
    stream: bool | None = False
    temperature: float | None = None
    tool_choice: dict[str, Any] | None = None


class _Completion(_Sampled):
    prompt: Prompt
    max_tokens: int | None = 16
    logprobs: Annotated[int, Field(ge=0, le=20)] | None = None


class _Embedding(_Body):
    input: Prompt
    encoding_format: Literal["float", "base64"] = "float"
    dimensions: Annotated[int, Field(ge=1)] | None = None


class _Tokenize(_Body):
    prompt: str | None = None
    messages: list[_Message] | None = None
    return_token_strs: bool | None = False


def chat(body: bytes) -> Ask:
    """``POST /v1/chat/completions``; raises :class:`RefusedError`."""
    asked = _read(_Chat, body)
    if asked.tool_choice == "required" or isinstance(asked.tool_choice, dict):
        raise RefusedError(_NO_TOOLS, "tool_choice")
    most = asked.max_tokens if asked.max_completion_tokens is None else asked.max_completion_tokens
    return asked.ask("chat", (_conversation(asked.messages),), most, asked.top_logprobs if asked.logprobs else None)


def message(body: bytes) -> Ask:
    """``POST /v1/messages``; raises :class:`RefusedError`."""
    asked = _read(_Messages, body)
    if asked.tool_choice and asked.tool_choice.get("type") in {"any", "tool"}:
        raise RefusedError(_NO_TOOLS, "tool_choice")
    sampled = _Sampled(
        model=asked.model,
        cache_salt=asked.cache_salt,
        stop=asked.stop_sequences,
        stream=asked.stream,
        temperature=asked.temperature,
    )
    return sampled.ask("message", (_conversation(asked.turns),), asked.max_tokens, None)


def to_count(body: bytes) -> int:
    """``POST /v1/messages/count_tokens``: the prompt's; raises :class:`RefusedError`."""
    return len(_conversation(_read(_Turns, body).turns))


def completion(body: bytes) -> Ask:
    """``POST /v1/completions``; raises :class:`RefusedError`."""
    asked = _read(_Completion, body)
    return asked.ask("completion", _prompts(asked.prompt), asked.max_tokens, asked.logprobs)


def embedding(body: bytes) -> Ask:
    """``POST /v1/embeddings``; raises :class:`RefusedError`."""
    asked = _read(_Embedding, body)
    prompts = _prompts(asked.input)
    return Ask(
        kind="embedding",
        model=asked.model,
        prompts=prompts,
        base64=asked.encoding_format == "base64",
        dimensions=asked.dimensions or DIMENSIONS,
        salt=asked.cache_salt or "",
        texts=tuple(map("".join, prompts)),
    )


def to_tokenize(body: bytes) -> tuple[list[str], bool]:
    """``POST /tokenize``: the tokens, and whether they are wanted as strings; raises :class:`RefusedError`."""
    asked = _read(_Tokenize, body)
    if asked.messages is not None:
        return _conversation(asked.messages), bool(asked.return_token_strs)
    return _prompts(asked.prompt or "")[0], bool(asked.return_token_strs)


def _conversation(messages: list[_Message]) -> list[str]:
    begin, role, line, end = _TEMPLATE
    parts = [begin]
    for message in messages:
        parts += [role.format(message.role), line, *tokens(message.text), end]
    return [*parts, role.format("assistant"), line]


def _prompts(given: Prompt) -> tuple[list[str], ...]:
    """One list of tokens for each prompt."""
    if isinstance(given, str):
        return (["<|begin|>", *tokens(given)],)
    if not given:
        msg = "A prompt must not be an empty list."
        raise RefusedError(msg, "prompt")
    if isinstance(given[0], int):
        return ([f"<|{number}|>" for number in given],)
    return tuple(prompt for one in given for prompt in _prompts(one))


def _read(model: type[_AnyBody], body: bytes) -> _AnyBody:
    try:
        return model.model_validate_json(body)
    except ValidationError as exc:
        first = exc.errors(include_url=False, include_context=False, include_input=False)
        lines = [f"  {{'type': '{e['type']}', 'loc': '{_place(e['loc'])}', 'msg': '{e['msg']}'}}" for e in first]
        msg = f"{len(lines)} validation error{'s' if len(lines) > 1 else ''}:\n" + "\n".join(lines)
        raise RefusedError(msg, _place(first[0]["loc"]), kind="Bad Request") from None


def _place(path: tuple[int | str, ...]) -> str:
    return ".".join(("body", *map(str, path)))
