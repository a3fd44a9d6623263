"""Every API that a hosted model can be asked through, in terms of chat. The Messages API itself needs no way."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from router.backends.translate.blocks import Json
from router.backends.translate.items import chat_of_items, obstacle_to_items
from router.backends.translate.request import obstacle
from router.backends.translate.texts import chat_of_text, obstacle_to_text
from router.wire.endpoints import Kind


class Way(NamedTuple):
    """From one API to chat."""

    obstacle: Callable[[Json], str | None]
    """The field for which a request cannot be put as a chat; seen at once, before anybody has decided."""
    chat: Callable[[Json], Json]
    """The request as a chat; raises UntranslatableError."""


WAYS = {
    Kind.CHAT: Way(obstacle, dict),
    Kind.COMPLETION: Way(lambda request: obstacle_to_text(request) or obstacle(request), chat_of_text),
    Kind.RESPONSES: Way(obstacle_to_items, chat_of_items),
}


def obstacle_of(kind: Kind, request: Json) -> str | None:
    """The field for which a hosted model cannot be asked; None when it can."""
    return WAYS[kind].obstacle(request) if kind in WAYS else None
