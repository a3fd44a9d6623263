"""A slug is a host name's part, and no two names share one."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cluster.spec.base import NAME_PATTERN
from cluster.spec.slug import MOST, slug

NAMES = st.from_regex(NAME_PATTERN, fullmatch=True)


@given(name=NAMES)
def test_is_a_host_names_part(name: str) -> None:
    """Whatever the fleet file calls a model."""
    assert re.fullmatch(r"[a-z]([a-z0-9-]*[a-z0-9])?", slug(name))
    assert len(slug(name)) <= MOST


@given(one=NAMES, other=NAMES)
def test_tells_names_apart(one: str, other: str) -> None:
    """Two models never become one service."""
    assert (slug(one) == slug(other)) == (one == other)


@pytest.mark.parametrize(("one", "other"), [("llama-3.1", "llama-3-1"), ("A", "a"), ("a.", "a-")])
def test_tells_lookalikes_apart(one: str, other: str) -> None:
    """Names that differ only in what a slug cannot hold."""
    assert slug(one) != slug(other)
