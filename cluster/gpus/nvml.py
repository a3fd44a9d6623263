"""NVIDIA's management library, asked through ``pynvml`` and nowhere else.

Invariant: whatever a GPU cannot tell becomes None, a GPU that is gone becomes one that is ``lost``, and no driver at
all one line of :class:`~cluster.errors.NoGpuError`. Nothing is ever set, reset or stopped here.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from types import TracebackType
from typing import Any, Self, TypeVar

import pynvml as nvml

from cluster.errors import NoGpuError
from cluster.gpus.facts import REASONS, Gpu, GpuProcess, Machine, Mig

T = TypeVar("T")

_BITS = (
    nvml.nvmlClocksEventReasonHwSlowdown,
    nvml.nvmlClocksEventReasonHwThermalSlowdown,
    nvml.nvmlClocksEventReasonHwPowerBrakeSlowdown,
    nvml.nvmlClocksEventReasonSwThermalSlowdown,
    nvml.nvmlClocksEventReasonSwPowerCap,
)
_REASONS = dict(zip(REASONS, _BITS, strict=True))
_LINKS = nvml.NVML_NVLINK_MAX_LINKS
_GONE = {nvml.NVML_ERROR_GPU_IS_LOST, nvml.NVML_ERROR_RESET_REQUIRED}
_NO_HANDLE = {*_GONE, nvml.NVML_ERROR_UNKNOWN}
"""What asking for a GPU that has fallen off the bus gives; of a single figure, unknown only means unknown."""
_WHY = {
    nvml.NVML_ERROR_LIBRARY_NOT_FOUND: "there is no NVIDIA driver here (libnvidia-ml.so.1 is not found)",
    nvml.NVML_ERROR_DRIVER_NOT_LOADED: "the NVIDIA driver is installed but not loaded; try: modprobe nvidia",
    nvml.NVML_ERROR_LIB_RM_VERSION_MISMATCH: "the loaded NVIDIA driver is not the installed one; restart this machine",
    nvml.NVML_ERROR_NO_PERMISSION: "this user may not ask the NVIDIA driver; see the rights of /dev/nvidia*",
}


class Nvml:
    """A session with the driver: ``with Nvml() as gpus: gpus.look()``."""

    def __init__(self) -> None:
        """Nothing is loaded yet."""
        self._events: Any = None
        self._known: dict[int, tuple[str, str]] = {}

    def __enter__(self) -> Self:
        """Load the library; raises NoGpuError where there is nothing to ask, with the reason."""
        try:
            nvml.nvmlInit()
        except nvml.NVMLError as exc:
            raise NoGpuError(_WHY.get(exc.value, str(exc))) from exc
        return self

    def __exit__(self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None) -> None:
        """Let go of it."""
        if self._events is not None:
            nvml.nvmlEventSetFree(self._events)
        nvml.nvmlShutdown()

    def look(self) -> Machine:
        """Everything, now; raises NoGpuError where the driver sees no GPU."""
        try:
            count = nvml.nvmlDeviceGetCount()
            driver = nvml.nvmlSystemGetDriverVersion()
        except nvml.NVMLError as exc:
            raise NoGpuError(_WHY.get(exc.value, str(exc))) from exc
        if not count:
            msg = "the NVIDIA driver sees no GPU"
            raise NoGpuError(msg)
        return Machine(driver, tuple(self._gpu(index) for index in range(count)))

    def xids(self, timeout_ms: int = 0) -> list[tuple[int, int]]:
        """Xid errors since the last call, as pairs of a GPU's index and the error; waits for the first one.

        Empty where the driver tells none, such as to a user without rights.
        """
        found: list[tuple[int, int]] = []
        while (event := self._event(0 if found else timeout_ms)) is not None:
            found.append(event)
        return found

    def _event(self, timeout_ms: int) -> tuple[int, int] | None:
        try:
            if self._events is None:
                self._events = self._register()
            event = nvml.nvmlEventSetWait_v2(self._events, timeout_ms)
            return nvml.nvmlDeviceGetIndex(event.device), int(event.eventData)
        except nvml.NVMLError:  # nothing came, or nothing can
            return None

    def _register(self) -> Any:  # noqa: ANN401 - a handle
        """A set of events, of every GPU that can tell."""
        events = nvml.nvmlEventSetCreate()
        for index in range(nvml.nvmlDeviceGetCount()):
            with suppress(nvml.NVMLError):  # one that is lost, or tells no events
                _register_one(index, events)
        return events

    def _gpu(self, index: int) -> Gpu:
        try:
            handle = nvml.nvmlDeviceGetHandleByIndex(index)
            self._known[index] = nvml.nvmlDeviceGetUUID(handle), nvml.nvmlDeviceGetName(handle)
            return _read(index, *self._known[index], handle)
        except nvml.NVMLError as exc:  # what it was called when it was still there
            return Gpu(index, *self._known.get(index, ("", "unknown")), lost=exc.value in _NO_HANDLE)


def _register_one(index: int, events: Any) -> None:  # noqa: ANN401 - a handle
    nvml.nvmlDeviceRegisterEvents(nvml.nvmlDeviceGetHandleByIndex(index), nvml.nvmlEventTypeXidCriticalError, events)


def _read(index: int, uuid: str, name: str, handle: Any) -> Gpu:  # noqa: ANN401 - a handle
    busy = _told(nvml.nvmlDeviceGetUtilizationRates, handle)
    memory = _told(nvml.nvmlDeviceGetMemoryInfo, handle)
    reasons = _told(nvml.nvmlDeviceGetCurrentClocksEventReasons, handle)
    rows = _told(nvml.nvmlDeviceGetRemappedRows, handle)
    running = _told(nvml.nvmlDeviceGetComputeRunningProcesses_v3, handle) or ()
    return Gpu(
        index=index,
        uuid=uuid,
        name=name,
        utilization=None if busy is None else busy.gpu / 100,
        memory_used_bytes=None if memory is None else memory.used,
        memory_total_bytes=None if memory is None else memory.total,
        power_w=_times(1e-3, nvml.nvmlDeviceGetPowerUsage, handle),
        power_limit_w=_times(1e-3, nvml.nvmlDeviceGetEnforcedPowerLimit, handle),
        temperature_c=_told(nvml.nvmlDeviceGetTemperature, handle, nvml.NVML_TEMPERATURE_GPU),
        sm_clock_hz=_times(1e6, nvml.nvmlDeviceGetClockInfo, handle, nvml.NVML_CLOCK_SM),
        memory_clock_hz=_times(1e6, nvml.nvmlDeviceGetClockInfo, handle, nvml.NVML_CLOCK_MEM),
        throttled=None if reasons is None else tuple(reason for reason, bit in _REASONS.items() if reasons & bit),
        pcie_generation=_told(nvml.nvmlDeviceGetCurrPcieLinkGeneration, handle),
        pcie_width=_told(nvml.nvmlDeviceGetCurrPcieLinkWidth, handle),
        pcie_in_bytes_per_s=_times(1e3, nvml.nvmlDeviceGetPcieThroughput, handle, nvml.NVML_PCIE_UTIL_RX_BYTES),
        pcie_out_bytes_per_s=_times(1e3, nvml.nvmlDeviceGetPcieThroughput, handle, nvml.NVML_PCIE_UTIL_TX_BYTES),
        pcie_replays=_told(nvml.nvmlDeviceGetPcieReplayCounter, handle),
        nvlinks=_links(handle),
        ecc_corrected=_ecc(handle, nvml.NVML_MEMORY_ERROR_TYPE_CORRECTED),
        ecc_uncorrected=_ecc(handle, nvml.NVML_MEMORY_ERROR_TYPE_UNCORRECTED),
        remap_pending=None if rows is None else bool(rows[2]),
        remap_failed=None if rows is None else bool(rows[3]),
        migs=_migs(handle),
        processes=tuple(GpuProcess(one.pid, one.usedGpuMemory) for one in running),
    )


def _told(ask: Callable[..., T], *of: object) -> T | None:
    """An answer, or None where the GPU has none; raises NVMLError where the GPU itself is gone."""
    try:
        return ask(*of)
    except nvml.NVMLError as exc:
        if exc.value in _GONE:
            raise
        return None


def _times(factor: float, ask: Callable[..., float], *of: object) -> float | None:
    value = _told(ask, *of)
    return None if value is None else value * factor


def _ecc(handle: Any, kind: int) -> int | None:  # noqa: ANN401 - a handle
    return _told(nvml.nvmlDeviceGetTotalEccErrors, handle, kind, nvml.NVML_VOLATILE_ECC)


def _links(handle: Any) -> int | None:  # noqa: ANN401 - a handle
    states = [_told(nvml.nvmlDeviceGetNvLinkState, handle, link) for link in range(_LINKS)]
    known = [state for state in states if state is not None]
    return sum(known) if known else None


def _migs(handle: Any) -> tuple[Mig, ...]:  # noqa: ANN401 - a handle
    mode = _told(nvml.nvmlDeviceGetMigMode, handle)
    if not mode or not mode[0]:
        return ()
    places = range(_told(nvml.nvmlDeviceGetMaxMigDeviceCount, handle) or 0)
    parts = [part for place in places if (part := _told(nvml.nvmlDeviceGetMigDeviceHandleByIndex, handle, place))]
    return tuple(_mig(part) for part in parts)


def _mig(part: Any) -> Mig:  # noqa: ANN401 - a handle
    memory = _told(nvml.nvmlDeviceGetMemoryInfo, part)
    uuid = _told(nvml.nvmlDeviceGetUUID, part) or ""
    return Mig(uuid, memory and memory.used, memory and memory.total)
