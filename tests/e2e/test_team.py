"""A fleet behind keys, from its first start to its last tenant's end, by the commands that docs/accounts.md shows."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openai
import pytest

from tests.e2e.fleet import freehold

FLEET = """\
name: team
models:
  tiny-small:
    source: builtin:tiny-small
    context_length: 512
    engine_args: { enforce_eager: true, dtype: bfloat16, max_num_seqs: 4 }
  other:
    source: builtin:tiny-small
    context_length: 512
    engine_args: { enforce_eager: true, dtype: bfloat16, max_num_seqs: 4 }
tiers: { small: [tiny-small], large: [other] }
tenants:
  access: keys
  default_plan: explorer
  plans: { explorer: { messages_per_month: 2, tiers: [small] } }
"""


@pytest.fixture
def team(home: Path, port: int, tmp_path: Path) -> Iterator[str]:
    """The fleet's address; the default plan has but one of its tiers."""
    file = tmp_path / "team.yaml"
    file.write_text(FLEET)
    up = freehold(home, "up", "--fleet", str(file), "--detach", "--port", str(port))
    assert up.returncode == 0, up.stderr + up.stdout
    yield f"http://127.0.0.1:{port}/v1"
    down = freehold(home, "down")
    assert down.returncode == 0, down.stderr


def told(home: Path, *command: str) -> Any:  # noqa: ANN401 - JSON
    """What a command prints as JSON."""
    ran = freehold(home, *command, "--json")
    assert ran.returncode == 0, ran.stderr
    return json.loads(ran.stdout)


def asked(url: str, key: str, model: str = "auto") -> int:
    """The status of one short answer."""
    with openai.OpenAI(base_url=url, api_key=key, max_retries=0) as client:
        try:
            client.chat.completions.create(model=model, messages=[{"role": "user", "content": "Hello"}], max_tokens=4)
        except openai.APIStatusError as refused:
            return refused.status_code
    return 200


def test_a_team_from_beginning_to_end(team: str, home: Path) -> None:
    """Tenant, key, answers, the plan's end, usage, revocation, deletion: each does what it says."""
    told(home, "tenants", "create", "acme")
    made = told(home, "keys", "create", "--tenant", "acme", "--expires", "30d")
    key = made["key"]
    assert asked(team, "none") == 401
    assert asked(team, key, "other") == 403
    assert [asked(team, key) for _ in range(3)] == [200, 200, 429]
    usage = told(home, "usage", "--tenant", "acme", "--by", "model")
    assert [(row["heading"], row["requests"]) for row in usage["data"]] == [("tiny-small", 2)]
    told(home, "keys", "revoke", made["id"])
    assert asked(team, key) == 401
    removed = told(home, "tenants", "delete", "acme", "--yes")
    assert removed["removed"]["ledger"] == 2
    assert "acme" not in freehold(home, "tenants", "list").stdout
