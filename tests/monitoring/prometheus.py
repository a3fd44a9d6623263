"""A real Prometheus for a test: scrapes and evaluates four times a second, and is asked over its API."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from cluster.ports import free_port

RULES = Path("helm/freehold/files/rules.yaml")
DASHBOARDS = sorted(Path("helm/freehold/files/dashboards").glob("*.json"))
EVERY = "250ms"
WINDOW = "4s"
"""In the place of what Grafana would choose, and of the minutes that alerts look back."""


def program(name: str) -> str:
    """``prometheus`` or ``promtool``; skips the test where it is missing."""
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"no {name} here; Debian's package prometheus has it")
    return found


class Prometheus:
    """One that runs."""

    def __init__(self, url: str) -> None:
        """``url`` is its own."""
        self._url = url

    def query(self, expression: str) -> list[dict[str, Any]]:
        """The samples of an instant query; fails for one that Prometheus does not understand."""
        asked = urllib.parse.urlencode({"query": expression})
        found: list[dict[str, Any]] = self._get(f"/api/v1/query?{asked}")["result"]
        return found

    def firing(self) -> set[str]:
        """The names of the alerts that fire."""
        return {alert["labels"]["alertname"] for alert in self._get("/api/v1/alerts")["alerts"]}

    def _get(self, path: str) -> Any:  # noqa: ANN401 - JSON
        with urllib.request.urlopen(self._url + path, timeout=30) as answer:  # noqa: S310 - our own
            return json.load(answer)["data"]

    @property
    def ready(self) -> bool:
        """Whether it answers."""
        try:
            self.firing()
        except OSError:
            return False
        return True


def hurried(rules: str) -> str:
    """The alerts without their patience: what they look for is the same, over seconds instead of minutes."""
    written = yaml.safe_load(rules)
    for group in written["groups"]:
        for rule in group["rules"]:
            if not rule.get("alert", "FreeholdSlo").startswith("FreeholdSlo"):
                rule.pop("for", None)
                rule["expr"] = re.sub(r"\[\d+m\]", f"[{WINDOW}]", rule["expr"])
                rule["expr"] = rule["expr"].replace(
                    "freehold_ledger_lag_seconds) > 60", "freehold_ledger_lag_seconds) > 1"
                )
    return yaml.safe_dump(written)


@contextmanager
def prometheus(folder: Path, targets: Mapping[str, list[str]]) -> Iterator[Prometheus]:
    """Scrape ``host:port/path`` of each job until the block is left."""
    (folder / "rules.yaml").write_text(hurried(RULES.read_text()))
    scraped = [{"job_name": job, "static_configs": [{"targets": found}]} for job, found in targets.items()]
    config = {
        "global": {"scrape_interval": EVERY, "scrape_timeout": EVERY, "evaluation_interval": EVERY},
        "rule_files": ["rules.yaml"],
        "scrape_configs": scraped,
    }
    (folder / "prometheus.yaml").write_text(yaml.safe_dump(config))
    address = f"127.0.0.1:{free_port()}"
    options = [f"--config.file={folder}/prometheus.yaml", f"--storage.tsdb.path={folder}/data"]
    log = (folder / "prometheus.log").open("wb")
    process = subprocess.Popen(
        [program("prometheus"), *options, f"--web.listen-address={address}"],
        stdout=log,
        stderr=log,
        env={**os.environ, "GOMAXPROCS": "1"},
    )
    try:
        found = Prometheus(f"http://{address}")
        while not found.ready:
            assert process.poll() is None, (folder / "prometheus.log").read_text()[-2000:]
            time.sleep(0.05)
        yield found
    finally:
        process.kill()
        process.wait()
        log.close()
