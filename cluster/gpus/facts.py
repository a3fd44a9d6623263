"""What is known of a machine's GPUs at one moment; None is what this GPU, driver or user cannot tell."""

from __future__ import annotations

from dataclasses import dataclass

REASONS = ("hw_slowdown", "hw_thermal_slowdown", "hw_power_brake_slowdown", "sw_thermal_slowdown", "sw_power_cap")
"""Why a clock is lower than it could be; being idle, or set so by its owner, is none."""


@dataclass(frozen=True, slots=True)
class GpuProcess:
    """A process that computes on a GPU."""

    pid: int
    """On the host; a container without the host's process ids sees another one."""
    memory_bytes: int | None


@dataclass(frozen=True, slots=True)
class Mig:
    """A part of a GPU, made by Multi-Instance GPU."""

    uuid: str
    memory_used_bytes: int | None
    memory_total_bytes: int | None


@dataclass(frozen=True, slots=True)
class Gpu:
    """One GPU."""

    index: int
    """As ``nvidia-smi`` counts."""
    uuid: str
    name: str
    lost: bool = False
    """Whether the driver has lost it, or wants it reset; nothing else is known then."""
    utilization: float | None = None
    """Share of the last sample in which a kernel ran, 0 to 1."""
    memory_used_bytes: int | None = None
    memory_total_bytes: int | None = None
    power_w: float | None = None
    power_limit_w: float | None = None
    temperature_c: float | None = None
    sm_clock_hz: float | None = None
    memory_clock_hz: float | None = None
    throttled: tuple[str, ...] | None = None
    """Why its clock is lower than it could be; names as in :data:`REASONS`."""
    pcie_generation: int | None = None
    pcie_width: int | None = None
    pcie_in_bytes_per_s: float | None = None
    pcie_out_bytes_per_s: float | None = None
    pcie_replays: int | None = None
    nvlinks: int | None = None
    """Links that are up; None without NVLink."""
    ecc_corrected: int | None = None
    """Memory errors since the driver was loaded."""
    ecc_uncorrected: int | None = None
    remap_failed: bool | None = None
    """Whether a broken memory row could not be replaced by a spare one."""
    remap_pending: bool | None = None
    """Whether one will be replaced by the next reset."""
    migs: tuple[Mig, ...] = ()
    processes: tuple[GpuProcess, ...] = ()


@dataclass(frozen=True, slots=True)
class Machine:
    """All GPUs of a machine, or of the container that asks."""

    driver: str
    gpus: tuple[Gpu, ...]
