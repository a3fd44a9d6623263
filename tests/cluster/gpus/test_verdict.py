"""Which GPU must not be used any more."""

from __future__ import annotations

from typing import Any

import pytest

from cluster.gpus.facts import Gpu
from cluster.gpus.verdict import FATAL_XIDS, condemned

WELL: dict[str, Any] = {"ecc_corrected": 10_000, "ecc_uncorrected": 0, "remap_pending": True, "remap_failed": False}


@pytest.mark.parametrize(
    ("facts", "xids", "kinds"),
    [
        (WELL, (), []),
        (WELL, (13, 31, 43, 45, 63, 94), []),
        ({}, (), []),
        ({**WELL, "ecc_uncorrected": 1}, (), ["ecc"]),
        ({**WELL, "remap_failed": True}, (), ["remap"]),
        ({"lost": True}, (), ["lost"]),
        (WELL, (79,), ["xid"]),
        ({"lost": True}, (13, 95, 79), ["lost", "xid", "xid"]),
    ],
    ids=["well", "errors of programs", "tells nothing", "ECC", "no spare row", "lost", "fatal Xid", "lost by two Xids"],
)
def test_causes(facts: dict[str, Any], xids: tuple[int, ...], kinds: list[str]) -> None:
    """Each apart; what can be lived with condemns nothing."""
    found = condemned(Gpu(0, "GPU-0", "H100", **facts), xids)
    assert [cause.kind for cause in found] == kinds


@pytest.mark.parametrize("xid", FATAL_XIDS, ids=str)
def test_a_fatal_xid_is_named(xid: int) -> None:
    """With its number, for NVIDIA's pages, and in words."""
    [cause] = condemned(Gpu(0, "GPU-0", "H100"), [xid])
    assert str(cause) == f"Xid {xid}: {FATAL_XIDS[xid]}"
