"""``/v1/completions`` in terms of chat: the prompt as one turn of the user's, the answer's text as what follows it.

A model that was taught to talk answers a prompt rather than continuing it; whoever needs a continuation needs a model
that gives one. Neighbour: :mod:`router.backends.translate.request` takes the chat request on to the Messages API.
"""

from __future__ import annotations

from router.backends.translate.blocks import Json, untranslatable

_NOT_CHAT = ("prompt", "best_of", "echo", "suffix", "logprobs")
_ONLY_HERE = ("echo", "suffix", "logprobs")


def obstacle_to_text(request: Json) -> str | None:
    """The field for which a completion cannot be asked of a chat model; None when it can."""
    if not isinstance(request["prompt"], str) and not _alone(request["prompt"]):
        return "prompt"
    if (request.get("best_of") or 1) > 1:
        return "best_of"
    return next((field for field in _ONLY_HERE if not (request.get(field) is None or request[field] is False)), None)


def _alone(prompt: list[object]) -> bool:
    """Whether a list is of one text; numbers of tokens mean nothing elsewhere."""
    return len(prompt) == 1 and isinstance(prompt[0], str)


def chat_of_text(request: Json) -> Json:
    """A completion request → a chat request.

    Raises:
        UntranslatableError: it asks for what only a model's own server has.

    """
    if field := obstacle_to_text(request):
        raise untranslatable(field, "a chat model takes one prompt, as text, and gives its answer's text")
    prompt = request["prompt"] if isinstance(request["prompt"], str) else request["prompt"][0]
    kept = {field: value for field, value in request.items() if field not in _NOT_CHAT}
    return {**kept, "messages": [{"role": "user", "content": prompt}]}


def text_of_chat(completion: Json) -> Json:
    """A chat completion → a completion."""
    [choice] = completion["choices"]
    return {**completion, "object": "text_completion", "choices": [_choice(choice, choice["message"])]}


def text_of_chunk(chunk: Json) -> Json | None:
    """A chunk of a chat stream → one of a completion's; None where it has neither text nor an end to tell."""
    told = {**chunk, "object": "text_completion"}
    if not chunk["choices"]:
        return told
    [choice] = chunk["choices"]
    if not (choice["delta"].get("content") or choice.get("finish_reason")):
        return None
    return {**told, "choices": [_choice(choice, choice["delta"])]}


def _choice(choice: Json, said: Json) -> Json:
    ends: Json = {field: choice[field] for field in ("finish_reason", "stop_reason") if field in choice}
    if ends.get("finish_reason") == "tool_calls":  # a completion has no tools: whatever it was, the text ends here
        ends["finish_reason"] = "stop"
    return {"index": 0, "text": said.get("content") or "", "logprobs": None, **ends}
