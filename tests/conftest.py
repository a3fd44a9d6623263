"""What all tests share: with ``FREEHOLD_NO_SKIPS`` set, as in CI, a skipped test is a failed one."""

from __future__ import annotations

import os
from collections.abc import Generator

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

TOGETHER = ("tests/e2e/", "tests/kubernetes/")
"""Folders whose tests share what takes long to start: real engines, a control plane."""
MAY_BE_ABSENT = "Skipped: data: "
"""How the reason of a skip begins when what is missing cannot be shipped with the code."""


class FileAtATime(LoadScopeScheduling):  # type: ignore[misc] # untyped
    """With several workers, the tests of a file stay together, and those of a folder that start something dear."""

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.partition("::")[0]
        return next((folder for folder in TOGETHER if file.startswith(folder)), file)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> FileAtATime:
    """What ``--numprocesses`` shares out."""
    return FileAtATime(config, log)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Turn a skip into a failure where skips are not wanted."""
    report = yield
    if os.environ.get("FREEHOLD_NO_SKIPS") and report.skipped and not hasattr(report, "wasxfail"):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        if not reason.startswith(MAY_BE_ABSENT):
            report.outcome = "failed"
            report.longrepr = f"not to be skipped here: {reason}"
    return report
