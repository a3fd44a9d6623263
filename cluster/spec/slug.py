"""A model's name as a part of host names, for Kubernetes, whose names have neither dots nor capitals."""

from __future__ import annotations

import hashlib
import re

MOST = 28
"""Characters of a slug: with a release's name of 18 before it, these are the 47 that KubeRay allows."""
_MARK = 5


def slug(name: str) -> str:
    """The name itself where it may stand in a host name, else one made of it that no other name becomes.

    Lower-case letters, digits and ``-``, a letter first, at most :data:`MOST` characters.
    """
    plain = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")
    if plain == name and name[0].isalpha() and len(name) <= MOST:
        return name
    mark = hashlib.sha256(name.encode()).hexdigest()[:_MARK]
    kept = f"m-{plain}" if not plain[:1].isalpha() else plain
    return f"{kept[: MOST - _MARK - 1].rstrip('-')}-{mark}"
