"""The commands for a cluster, where there is none."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from cluster.cli import freehold

CONFIG = """\
current-context: away
contexts: [{name: away, context: {cluster: c, user: ann}}]
clusters: [{name: c, cluster: {server: "http://127.0.0.1:1"}}]
users: [{name: ann, user: {token: opaque}}]
"""


@pytest.mark.parametrize(
    ("arguments", "config", "code", "said"),
    [
        (["gpus"], "", 2, "no usable kubeconfig"),
        (["gpus", "--context", "x"], CONFIG, 2, "--context x: the kubeconfig has away"),
        (["gpus"], CONFIG, 3, "no answer from http://127.0.0.1:1 (context away)"),
        (["status", "--namespace", "llm"], CONFIG, 3, "no answer from http://127.0.0.1:1"),
        (["deploy", "--fleet", "nope.yaml"], CONFIG, 2, "nope.yaml:1: cannot be read"),
        (["deploy", "--chart", "nope"], CONFIG, 2, "there is no chart in nope"),
        (["rollback"], CONFIG, 3, "helm cannot be run"),
        (["status", "--watch"], CONFIG, 2, "--watch follows a release in a cluster"),
    ],
    ids=["no kubeconfig", "no context", "away", "status", "no fleet", "no chart", "no Helm", "watch"],
)
def test_what_cannot_be_asked_is_told_with_a_way_out(  # noqa: PLR0913, PLR0917 - what is given, and what is expected
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], config: str, code: int, said: str
) -> None:
    """One line, by the name of what is missing; never a traceback."""
    file = tmp_path / "config"
    file.write_text(config)
    monkeypatch.setenv("KUBECONFIG", str(file))
    monkeypatch.setenv("HELM", str(tmp_path / "helm"))
    done = CliRunner().invoke(freehold, arguments)
    assert done.exit_code == code, done.output
    assert said in done.output
    assert "Traceback" not in done.output
