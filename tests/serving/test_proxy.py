"""The edits to HAProxy's configuration fit what the installed Ray writes, and HAProxy still gets its arguments."""

from __future__ import annotations

import re
import socket
import subprocess
from importlib.util import find_spec
from pathlib import Path

import pytest

from cluster.errors import PortInUseError
from serving import proxy


def _ray_source(module: str) -> str:
    spec = find_spec("ray")
    assert spec is not None
    assert spec.origin is not None
    return (Path(spec.origin).parent / module).read_text()


@pytest.fixture
def edited(tmp_path: Path) -> str:
    """The template from which Ray makes HAProxy's configuration, after the script saw it."""
    configuration = tmp_path / "haproxy.cfg"
    template = _ray_source("serve/_private/haproxy_templates.py").partition('HAPROXY_CONFIG_TEMPLATE = """')[2]
    configuration.write_text(template)
    subprocess.run([proxy.install("/bin/true", tmp_path), "-db", "-f", configuration], check=True)
    return configuration.read_text()


def test_nothing_listens_on_all_interfaces(edited: str) -> None:
    """Every address that HAProxy opens is loopback, or the one that this package tells Serve."""
    addresses = re.findall(r"^ *bind (\S+.*?):\{\{", edited, re.MULTILINE)
    assert sorted(set(addresses)) == ["127.0.0.1", "{{ config.frontend_host }}", "{{ config.grpc_frontend_host }}"]
    assert len(addresses) == len(re.findall(r"^ *bind ", edited, re.MULTILINE))


def test_no_spare_holds_requests_back(edited: str) -> None:
    """A model without replicas answers 503 at once, as such."""
    assert " check backup" not in edited
    assert "errorfile" not in edited


def test_vllm_sees_clients_leave(edited: str) -> None:
    """Serve is told to leave disconnected clients to vLLM, before any rule can route the request."""
    frontend = edited.partition("frontend http_frontend\n")[2]
    assert frontend.splitlines()[0].strip() == "http-request set-header x-request-disconnect-disabled ?1"


def test_haproxy_sees_clients_leave(edited: str) -> None:
    """What hides a leaving client from HAProxy 2.8 is gone, what makes it look for one is there."""
    assert "option splice-request" not in edited
    assert "option abortonclose" in edited


def test_a_busy_replica_is_not_a_dead_one(edited: str) -> None:
    """How often HAProxy looks and how long it waits for an answer are two things."""
    defaults = edited.partition("\ndefaults\n")[2].partition("\nfrontend ")[0]
    assert "timeout check 10s" in defaults


def test_the_rest_is_untouched(edited: str) -> None:
    """Only the lines that the edits are about differ."""
    template = _ray_source("serve/_private/haproxy_templates.py").partition('HAPROXY_CONFIG_TEMPLATE = """')[2]
    ours = ("bind ", "errorfile", "check backup", "splice-request", "timeout check", "x-request-disconnect-disabled")
    assert [line for line in edited.splitlines() if not any(word in line for word in ours)] == [
        line for line in template.splitlines() if not any(word in line for word in ours)
    ]


def test_haproxy_gets_its_arguments(tmp_path: Path) -> None:
    """The script becomes the real program, with the words that it was given."""
    script = proxy.install("/bin/echo", tmp_path)
    said = subprocess.run([script, "-db", "-f", "no file.txt"], check=True, capture_output=True, text=True)
    assert said.stdout == "-db -f no file.txt\n"


def test_a_configuration_that_cannot_be_edited_is_not_used(tmp_path: Path) -> None:
    """Rather no HAProxy than one that listens everywhere."""
    script = proxy.install("/bin/echo", tmp_path)
    result = subprocess.run([script, "-f", tmp_path / "missing.cfg"], check=False, capture_output=True)
    assert result.returncode != 0
    assert result.stdout == b""


def test_a_replicas_own_port_is_where_we_expect_it() -> None:
    """serving.replica moves this one address to loopback; a Ray that spells it otherwise must not pass unnoticed."""
    assert 'add_port_to_grpc_server(self._server, "[::]:0")' in _ray_source("serve/_private/replica.py")


def test_a_port_in_use_is_named() -> None:
    """The message says which port."""
    with socket.create_server((proxy.HOST, 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(PortInUseError, match=str(port)):
            proxy.check_free(port)
