"""Ray's and vLLM's settings follow from the fleet file, and nothing from outside gets in their way."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from cluster.spec import Fleet
from serving.environment import environment, replica_environment


def _fleet(source: str = "builtin:tiny-small", total: float = 100) -> Fleet:
    models = {"m": {"source": source}}
    return Fleet.model_validate({"name": "f", "models": models, "gateway": {"deadlines": {"total": total}}})


def test_proxy_waits_longer_than_the_gateway(tmp_path: Path) -> None:
    """The deadline that a client sees is the fleet file's, never HAProxy's."""
    settings = environment(_fleet(total=200), tmp_path)
    assert int(settings["RAY_SERVE_HAPROXY_TIMEOUT_SERVER_S"]) > 200
    assert int(settings["RAY_SERVE_HAPROXY_TIMEOUT_CLIENT_S"]) > 200


@pytest.mark.parametrize("name", ["RAY_ADDRESS", "PYTHONDONTWRITEBYTECODE", "VLLM_CPU_KVCACHE_SPACE"])
def test_what_would_disturb_is_dropped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Settings of the surrounding shell that would change the fleet do not reach it."""
    monkeypatch.setenv(name, "1")
    assert name not in environment(_fleet(), tmp_path)


def test_the_rest_of_the_shells_settings_stay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The mark of this start, a proxy, a hub token: all are inherited."""
    monkeypatch.setenv("FREEHOLD_RUN", "abc")
    assert environment(_fleet(), tmp_path)["FREEHOLD_RUN"] == "abc"


@pytest.mark.parametrize(
    ("source", "offline"),
    [("builtin:tiny-small", True), ("/models/llama", True), ("Qwen/Qwen2.5-0.5B", False)],
    ids=["builtin", "path", "hub"],
)
def test_the_hub_is_asked_only_for_hub_models(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str, *, offline: bool
) -> None:
    """A fleet of local models never looks at the network."""
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    assert ("HF_HUB_OFFLINE" in environment(_fleet(source), tmp_path)) is offline


def test_rays_token_is_secret_and_new(tmp_path: Path) -> None:
    """Only this user reads it, and no two starts share it."""
    tokens = set()
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        file = Path(environment(_fleet(), tmp_path / name)["RAY_AUTH_TOKEN_PATH"])
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        tokens.add(file.read_text())
    assert len(tokens) == 2


def test_two_starts_share_no_port(tmp_path: Path) -> None:
    """Every fixed port of Serve's is chosen anew and differs from the others."""
    settings = environment(_fleet(), tmp_path)
    ports = [value for name, value in settings.items() if name.startswith("RAY_SERVE") and name.endswith("_PORT")]
    assert len(set(ports)) == len(ports) == 3


@pytest.mark.parametrize(
    ("accelerator", "threads"),
    [({"cpus": 3}, "3"), ({"cpus": 0.2}, "1"), ({"type": "H100", "count": 1}, None)],
    ids=["cpus", "fraction", "gpu"],
)
def test_threads_follow_the_cpus(accelerator: dict[str, object], threads: str | None) -> None:
    """A CPU engine computes with as many threads as it reserves; a GPU engine decides itself."""
    fleet = Fleet.model_validate({"name": "f", "models": {"m": {"source": "a/b", "accelerator": accelerator}}})
    assert replica_environment("m", fleet.models["m"], Path("log")).get("OMP_NUM_THREADS") == threads
