"""NVML, for real but for the library behind it: every state of a GPU or a driver becomes a fact, or one line."""

from __future__ import annotations

import pytest

from cluster.errors import NoGpuError
from cluster.gpus.facts import Gpu, GpuProcess, Mig
from cluster.gpus.nvml import Nvml
from tests.cluster.gpus.fake import Script


def seen() -> tuple[Gpu, ...]:
    """All GPUs, now."""
    with Nvml() as nvml:
        return nvml.look().gpus


def test_a_healthy_gpu_tells_everything(gpus: Script) -> None:
    """In the units of its facts: bytes, watts, hertz, shares."""
    gpus.add("0.nvlinks 18", "0.pid 4711", "0.pcie.rx 2000", "0.pcie.tx 1000", "0.ecc.corrected 3")
    assert seen() == (
        Gpu(
            index=0,
            uuid="GPU-0",
            name="NVIDIA Fake",
            utilization=0.5,
            memory_used_bytes=20 << 30,
            memory_total_bytes=80 << 30,
            power_w=350,
            power_limit_w=700,
            temperature_c=60,
            sm_clock_hz=1.98e9,
            memory_clock_hz=2.619e9,
            throttled=(),
            pcie_generation=5,
            pcie_width=16,
            pcie_in_bytes_per_s=2e6,
            pcie_out_bytes_per_s=1e6,
            pcie_replays=0,
            nvlinks=18,
            ecc_corrected=3,
            ecc_uncorrected=0,
            remap_failed=False,
            remap_pending=False,
            processes=(GpuProcess(4711, 18 << 30),),
        ),
    )


@pytest.mark.parametrize(
    ("bits", "reasons"),
    [
        (0x1, ()),
        (0x4, ("sw_power_cap",)),
        (0x48, ("hw_slowdown", "hw_thermal_slowdown")),
        (0x88, ("hw_slowdown", "hw_power_brake_slowdown")),
        (0x20, ("sw_thermal_slowdown",)),
    ],
    ids=["idle", "power cap", "too hot", "power brake", "warm"],
)
def test_why_a_clock_is_low(gpus: Script, bits: int, reasons: tuple[str, ...]) -> None:
    """Being idle is no reason."""
    gpus.add(f"0.reasons {bits}")
    assert seen()[0].throttled == reasons


def test_what_is_not_supported_is_unknown_and_not_zero(gpus: Script) -> None:
    """A GPU without ECC, NVLink, MIG or a power meter, as workstations have."""
    unsupported = ("power", "limit", "ecc.corrected", "ecc.uncorrected", "remap.pending", "nvlinks", "migs", "reasons")
    gpus.add(*(f"0.{name} !3" for name in unsupported))
    gpu = seen()[0]
    assert (gpu.power_w, gpu.power_limit_w, gpu.ecc_corrected, gpu.ecc_uncorrected) == (None, None, None, None)
    assert (gpu.remap_failed, gpu.remap_pending, gpu.nvlinks, gpu.throttled, gpu.migs) == (None, None, None, None, ())
    assert (gpu.utilization, gpu.lost) == (0.5, False)


def test_what_a_user_may_not_see_is_unknown_too(gpus: Script) -> None:
    """The rest is told."""
    gpus.add("0.pid !4", "0.pcie.rx !4", "0.events !4", "event 0 79")
    with Nvml() as nvml:
        gpu = nvml.look().gpus[0]
    assert (gpu.processes, gpu.pcie_in_bytes_per_s, gpu.temperature_c) == ((), None, 60)


def test_instances_of_a_gpu(gpus: Script) -> None:
    """With MIG each part has memory of its own."""
    gpus.add("0.migs 2")
    assert seen()[0].migs == (Mig("MIG-0-0", 20 << 30, 80 << 30), Mig("MIG-0-1", 20 << 30, 80 << 30))


@pytest.mark.parametrize("code", [15, 16, 999], ids=["lost", "reset required", "no handle"])
def test_a_lost_gpu_does_not_hide_the_others(gpus: Script, code: int) -> None:
    """It keeps its name, and the others go on telling, events included."""
    gpus.add("gpus 2")
    with Nvml() as nvml:
        before = nvml.look().gpus
        gpus.add(f"0.gone {code}")
        lost, other = nvml.look().gpus
        assert lost == Gpu(0, "GPU-0", "NVIDIA Fake", lost=True)
        assert other == before[1]
        gpus.add("event 1 31")
        assert nvml.xids() == [(1, 31)]


def test_a_single_unknown_figure_is_no_lost_gpu(gpus: Script) -> None:
    """Drivers have bugs."""
    gpus.add("0.temperature !999")
    assert (seen()[0].lost, seen()[0].temperature_c) == (False, None)


def test_each_xid_is_told_once(gpus: Script) -> None:
    """In order, of whichever GPU, and nothing when nothing came."""
    gpus.add("gpus 2")
    with Nvml() as nvml:
        assert nvml.xids() == []
        gpus.add("event 0 13", "event 1 79")
        assert nvml.xids() == [(0, 13), (1, 79)]
        assert nvml.xids() == []


@pytest.mark.parametrize(
    ("script", "says"),
    [
        ("init 12", "there is no NVIDIA driver here"),
        ("init 9", "installed but not loaded"),
        ("init 18", "restart this machine"),
        ("init 4", "this user may not ask"),
        ("init 999", "Unknown Error"),
        ("gpus 0", "sees no GPU"),
    ],
    ids=["no library", "not loaded", "driver mismatch", "no permission", "unknown", "no GPU"],
)
def test_no_gpu_is_one_line(gpus: Script, script: str, says: str) -> None:
    """That says why, and what to do where something can be done."""
    gpus.add(script)
    with pytest.raises(NoGpuError, match=says) as caught:
        seen()
    assert "\n" not in str(caught.value)
