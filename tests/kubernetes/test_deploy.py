"""``freehold deploy`` and its neighbours against a real API server, as a user with exactly the documented rights."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from tests.cluster.kube.rendered import helm
from tests.kubernetes.bench import Bench
from tests.kubernetes.release import until

NAMESPACE = "deployed"
ROLES = Path("helm/roles.yaml")
FREEHOLD = str(Path(sys.executable).with_name("freehold"))
FLEET = """\
name: small
models:
  qwen3-8b: { source: Qwen/Qwen3-8B, accelerator: { type: H200, count: 1 } }
tiers: { small: [qwen3-8b] }
gateway: { deadlines: { first_token: 5, between_tokens: 5, total: 10 } }
"""
TEAM = ("--set", "gateway.service.annotations.team=llm")


@dataclass(frozen=True, slots=True)
class Terminal:
    """Where a user of the cluster types."""

    cluster: Bench
    chart: Path
    kubeconfig: Path
    fleet: Path

    def freehold(self, *arguments: str, user: Path | None = None) -> subprocess.CompletedProcess[str]:
        """Run the command."""
        environment = [f"KUBECONFIG={user or self.kubeconfig}", f"HELM={helm()}", f"FREEHOLD_HOME={self.fleet.parent}"]
        return self.cluster.run("env", *environment, FREEHOLD, *arguments, check=False)

    def json(self, *arguments: str) -> tuple[int, Any]:
        """Run it with ``--json``; gives back the exit code and the facts."""
        done = self.freehold(*arguments, "--json")
        assert done.stdout, done.stderr
        return done.returncode, json.loads(done.stdout)

    def order(self, *more: str, mode: str = "simulated") -> list[str]:
        """The options of a deployment."""
        off = "gateway.autoscaling.enabled=false"
        chart = ["--chart", str(self.chart), "--mode", mode, "--open-to-all", "--set", off]
        return ["--fleet", str(self.fleet), *chart, "--set", "gateway.replicas=1", *more]


def _kubeconfig(cluster: Bench, file: Path, token: str) -> Path:
    """The admin's kubeconfig with another token."""
    given = yaml.safe_load((cluster.folder / "admin.kubeconfig").read_text())
    given["users"][0]["user"] = {"token": token}
    given["contexts"][0]["context"]["namespace"] = NAMESPACE
    file.write_text(json.dumps(given))
    return file


@pytest.fixture(scope="module")
def terminal(cluster: Bench, chart: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Terminal]:
    """A service account with the documented Roles, and its token."""
    folder = tmp_path_factory.mktemp("terminal")
    for name in (NAMESPACE, "kuberay-system"):
        cluster.run("kubectl", "create", "namespace", name, check=False)
    here, there = ("kubectl", "--namespace", NAMESPACE), ("kubectl", "--namespace", "kuberay-system")
    account = f"--serviceaccount={NAMESPACE}:deployer"
    cluster.run(*here, "apply", "-f", str(ROLES))
    cluster.run(*here, "create", "serviceaccount", "deployer")
    cluster.run(*here, "create", "rolebinding", "deployer", "--role=freehold-deployer", account)
    cluster.run(*there, "create", "rolebinding", "freehold", "--clusterrole=freehold-operator", account)
    cluster.run("kubectl", "create", "clusterrolebinding", "deployer", "--clusterrole=freehold-inventory", account)
    token = cluster.run(*here, "create", "token", "deployer").stdout.strip()
    fleet = folder / "fleet.yaml"
    fleet.write_text(FLEET)
    yield Terminal(cluster, chart, _kubeconfig(cluster, folder / "kubeconfig", token), fleet)
    cluster.run("kubectl", "delete", "clusterrolebinding", "deployer")
    cluster.run("kubectl", "delete", "namespace", NAMESPACE, "--wait=false")


@pytest.fixture(scope="module")
def deployed(terminal: Terminal) -> Any:  # noqa: ANN401 - what the command prints
    """The first deployment's facts."""
    code, facts = terminal.json("deploy", *terminal.order("--timeout", "300"))
    assert code == 0, facts
    return facts


def test_deploys_with_the_documented_rights(deployed: Any) -> None:  # noqa: ANN401 - as above
    """Everything could be checked, was applied, and became ready."""
    assert {one["verdict"] for one in deployed["checks"]} == {"holds"}
    assert deployed["revision"] == 1
    assert {row["name"]: row["phase"] for row in deployed["rows"]} == {"qwen3-8b": "ready", "gateway": "ready"}


def test_status_of_a_release(terminal: Terminal, deployed: object, tmp_path: Path) -> None:
    """Who may only look sees what runs, by model; a release that is not there is named."""
    assert deployed
    here = ("kubectl", "--namespace", NAMESPACE)
    terminal.cluster.run(*here, "create", "serviceaccount", "viewer")
    account = f"--serviceaccount={NAMESPACE}:viewer"
    terminal.cluster.run(*here, "create", "rolebinding", "viewer", "--role=freehold-viewer", account)
    token = terminal.cluster.run(*here, "create", "token", "viewer").stdout.strip()
    viewer = _kubeconfig(terminal.cluster, tmp_path / "viewer", token)
    seen = terminal.freehold("status", "--namespace", NAMESPACE, user=viewer)
    assert seen.returncode == 0, seen.stderr
    assert "qwen3-8b" in seen.stdout
    assert seen.stderr == ""
    gone = terminal.freehold("status", "--release", "nope")
    assert gone.returncode == 3
    assert "no release 'nope' in namespace 'deployed'" in gone.stderr


def test_diff_finds_what_a_hand_did_and_rollback_undoes_a_deploy(terminal: Terminal, deployed: object) -> None:
    """A field that was changed is named with both values, one that was added with who did it; then back to before."""
    assert deployed
    gateway = ["kubectl", "--namespace", NAMESPACE, "set", "env", "deployment/freehold-gateway"]
    terminal.cluster.run(*gateway, "API_TOKEN=hunter2", "TMPDIR=/var/tmp")
    code, found = terminal.json("diff", *terminal.order(*TEAM))
    assert code == 1
    assert [(one["object"], one["field"], one["after"]) for one in found["release"]] == [
        ("Service/freehold", "metadata.annotations", '{"team": "llm"}')
    ]
    fields = {one["field"].rpartition("containers[gateway].")[2]: one for one in found["drift"] + found["kept"]}
    assert fields["env[TMPDIR].value"]["after"] == '"/tmp"'
    assert "kubectl" in fields["env[API_TOKEN].value"]["after"]
    assert "hunter2" not in json.dumps(found)
    terminal.freehold("deploy", *terminal.order(*TEAM, "--timeout", "300"))
    code, back = terminal.json("rollback", "--timeout", "300")
    assert (code, back["of"], back["revision"], back["ready"]) == (0, 1, 3, True)


def test_a_pod_without_a_node_is_told_in_the_schedulers_words(terminal: Terminal, tmp_path: Path) -> None:
    """Preflight refuses a fleet whose GPUs are not there; told to go on, the wait ends with what the scheduler says."""
    fleet = tmp_path / "fleet.yaml"
    fleet.write_text(FLEET.replace("H200", "H100"))
    order = [*terminal.order(mode="plain"), "--fleet", str(fleet), "--release", "late"]
    refused = terminal.freehold("deploy", *order)
    assert refused.returncode == 2
    assert "nvidia.com/gpu.product=NVIDIA-H100" in refused.stderr
    assert "the cluster has: H200 (" in refused.stderr
    assert "nothing was applied" in refused.stderr
    late = terminal.freehold("deploy", *order, "--allow-pending", "--timeout", "1")
    assert late.returncode == 1, late.stderr
    assert f"undo it: helm uninstall late --namespace {NAMESPACE}" in late.stderr
    until(lambda: "0/6 nodes are available" in str(terminal.json("status", "--release", "late")), "the words")
    terminal.cluster.run(str(helm()), "uninstall", "late", "--namespace", NAMESPACE)


def test_what_stops_half_way_says_what_is_there_and_how_to_undo_it(terminal: Terminal, deployed: object) -> None:
    """A quota allows one Service and not the second: the first objects stay until the named command removes them."""
    assert deployed  # and has two Services
    admin = ("kubectl", "--namespace", NAMESPACE)
    terminal.cluster.run(*admin, "create", "quota", "few", "--hard=services=3")
    terminal.cluster.run(*admin, "create", "configmap", "mine-fleet")
    other = terminal.freehold("deploy", *terminal.order("--release", "mine"))
    assert other.returncode == 2
    assert "ConfigMap/mine-fleet: it is there already and does not belong to release 'mine'" in other.stderr
    half = terminal.freehold("deploy", *terminal.order("--release", "half"))
    assert half.returncode == 3
    assert "exceeded quota: few" in half.stderr
    assert "objects are there: " in half.stderr
    undo = half.stderr.strip().rpartition("undo it: ")[2].split()
    terminal.cluster.run(str(helm()), *undo[1:])
    terminal.cluster.run(*admin, "delete", "quota", "few")
    left = terminal.cluster.get("configmaps,services,deployments", "--namespace", NAMESPACE)["items"]
    assert not [item for item in left if item["metadata"]["name"].startswith("half")]


def test_ray_without_its_operator_is_refused(terminal: Terminal) -> None:
    """The definitions alone would take a RayService and leave it as it is."""
    refused = terminal.freehold("deploy", *terminal.order("--release", "ray", mode="ray"))
    assert refused.returncode == 2
    assert "no KubeRay operator runs" in refused.stderr


def test_who_is_not_let_in_is_told_why(terminal: Terminal, tmp_path: Path) -> None:
    """A token that has expired, by its date; a user without rights, by what is missing; an address, by its silence."""
    key = load_pem_private_key((terminal.cluster.folder / "pki" / "sa.key").read_bytes(), None)
    assert isinstance(key, rsa.RSAPrivateKey)
    old = terminal.freehold("gpus", user=_kubeconfig(terminal.cluster, tmp_path / "old", _expired_token(key)))
    assert old.returncode == 3
    assert "its token expired on 2023-11-14 22:13 UTC" in old.stderr
    nobody = terminal.freehold("gpus", user=terminal.cluster.folder / "alice.kubeconfig")
    assert nobody.returncode == 3
    assert 'User "alice" cannot list resource "pods"' in nobody.stderr
    assert "helm/roles.yaml" in nobody.stderr
    away = yaml.safe_load(terminal.kubeconfig.read_text())
    away["clusters"][0]["cluster"]["server"] = "https://10.244.0.1:1"
    (tmp_path / "away").write_text(json.dumps(away))
    unreachable = terminal.freehold("gpus", user=tmp_path / "away")
    assert unreachable.returncode == 3
    assert "no answer from https://10.244.0.1:1" in unreachable.stderr


def _expired_token(key: rsa.RSAPrivateKey) -> str:
    """A service account's token as the plane itself would have signed it, long ago."""
    subject = f"system:serviceaccount:{NAMESPACE}:deployer"
    claims = {"iss": "https://kubernetes.default.svc", "sub": subject, "aud": ["https://kubernetes.default.svc"]}
    head, body = (_encoded(json.dumps(part).encode()) for part in ({"alg": "RS256"}, claims | {"exp": 1_700_000_000}))
    return f"{head}.{body}.{_encoded(key.sign(f'{head}.{body}'.encode(), padding.PKCS1v15(), hashes.SHA256()))}"


def _encoded(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def test_a_deletion_that_a_proxy_swallowed_is_noticed(cluster: Bench) -> None:
    """Between client and API server every DELETED is lost and every connection cut; the list that follows tells."""
    script = Path(__file__).with_name("lossy.py")
    done = cluster.run(sys.executable, str(script))
    told = json.loads(done.stdout)
    assert told["lost"] >= 1
    assert told["cut"] >= 1
    assert told["left"] == ["kept"]
