"""Whether a GPU must not be used any more until somebody has reset or replaced it. Pure.

Which Xid errors are fatal: those after which NVIDIA wants the GPU reset or the machine restarted, not only the program
("Xid errors", docs.nvidia.com/deploy/xid-errors; "Xid checks" of NVIDIA's Health Validation drains for them). Errors of
a program (13, 31, 43, 45 …), contained memory errors (94) and remapped rows (63) are told, and condemn nothing.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass

from cluster.gpus.facts import Gpu

FATAL_XIDS = {
    46: "the GPU stopped processing",
    48: "a double-bit memory error",
    62: "its micro-controller halted",
    64: "a broken memory row or page could not be retired",
    79: "it has fallen off the bus",
    95: "an uncontained memory error",
    119: "its system processor (GSP) does not answer",
    120: "its system processor (GSP) failed",
    136: "a link training failed",
    140: "an unrecovered memory error",
    143: "it could not be initialised",
}


@dataclass(frozen=True, slots=True)
class Cause:
    """Why a GPU is condemned."""

    kind: str
    """``lost``, ``ecc``, ``remap`` or ``xid``."""
    says: str

    def __str__(self) -> str:
        """For people."""
        return self.says


def condemned(gpu: Gpu, xids: Collection[int] = ()) -> tuple[Cause, ...]:
    """Every reason not to use a GPU, by what it says of itself and the Xid errors that were seen."""
    return tuple(_causes(gpu, xids))


def _causes(gpu: Gpu, xids: Collection[int]) -> Iterator[Cause]:
    if gpu.lost:
        yield Cause("lost", "the driver has lost it, or wants it reset")
    if gpu.ecc_uncorrected:
        yield Cause("ecc", f"{gpu.ecc_uncorrected} uncorrectable memory errors since the driver was loaded")
    if gpu.remap_failed:
        yield Cause("remap", "a broken memory row has no spare left: replace the GPU")
    for xid in sorted(FATAL_XIDS.keys() & set(xids)):
        yield Cause("xid", f"Xid {xid}: {FATAL_XIDS[xid]}")
