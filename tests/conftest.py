"""What all tests share: with ``FREEHOLD_NO_SKIPS`` set, as in CI, a skipped test is a failed one."""

from __future__ import annotations

import os
from collections.abc import Generator

import pytest

MAY_BE_ABSENT = "Skipped: data: "
"""How the reason of a skip begins when what is missing cannot be shipped with the code."""


@pytest.hookimpl(tryfirst=True)  # before xdist looks
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """With several workers, the tests of a file stay together: they share what is slow to make."""
    for item in items:
        if item.get_closest_marker("xdist_group") is None:
            item.add_marker(pytest.mark.xdist_group(str(item.path)))


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
