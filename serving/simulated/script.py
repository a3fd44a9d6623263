"""What one choice of an answer will say, decided before its first token: the same request is always answered alike.

An answer ends by itself (with an end-of-sequence token, which counts and says nothing), at a stop string, or at the
limit. How long one is that ends by itself is drawn from the lengths that the engine was given.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from cluster.spec.traffic import Lengths
from serving.simulated.asked import Ask
from serving.simulated.text import SALAD, chance, drawn, encoded, said, saying


@dataclass(frozen=True, slots=True)
class Script:
    """One choice, in full."""

    start: int
    """Where it begins in the salad."""
    tokens: int
    finish: Literal["stop", "length"]
    stop_reason: str | None
    cuts: Mapping[int, str]
    """Tokens that are shown otherwise than in the salad: the first, those from a stop string on, and the last."""

    def piece(self, index: int) -> str:
        """What the token at ``index`` adds to the text."""
        cut = self.cuts.get(index)
        return said(self.start, index) if cut is None else cut

    def json(self, index: int) -> bytes | None:
        """The same as a JSON string, prepared long ago; None where it has to be made."""
        return None if index in self.cuts else encoded()[(self.start + index) % SALAD]

    def text(self) -> str:
        """All of it."""
        return "".join(self.piece(index) for index in range(self.tokens))


def write(ask: Ask, prompt: str, index: int, most: int, lengths: Lengths) -> Script:
    """The script of choice ``index`` to a prompt, of ``most`` tokens at most."""
    luck = (prompt, ask.seed, index)
    start = int(chance("start", *luck) * SALAD)
    wished = most if ask.ignore_eos else max(ask.min_tokens, drawn(lengths, chance("length", *luck)))
    tokens = min(wished, most)
    ends_itself = wished < most and not ask.ignore_eos
    cuts = {0: said(start, 0)} | ({tokens - 1: ""} if ends_itself else {})
    script = Script(start, tokens, "stop" if ends_itself else "length", None, cuts)
    return _stopped(script, ask.stop) if ask.stop else script


def _stopped(script: Script, stops: tuple[str, ...]) -> Script:
    """Cut at the first stop string that is complete, which is not shown."""
    text = saying(script.start, script.tokens - ("" in script.cuts.values()))
    found = [(text.find(stop) + len(stop), text.find(stop), stop) for stop in stops if stop and stop in text]
    if not found:
        return script
    seen, shown, stop = min(found)
    cuts, place, index = {0: script.piece(0)}, 0, 0
    while place < seen:
        piece = said(script.start, index)
        if place + len(piece) > shown:
            cuts[index] = piece[: max(0, shown - place)]
        place, index = place + len(piece), index + 1
    return Script(script.start, index, "stop", stop, cuts)
