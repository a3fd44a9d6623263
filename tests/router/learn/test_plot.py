"""The plot is a picture that a browser opens."""

from __future__ import annotations

from xml.etree import ElementTree as ET

import numpy as np

from router.learn.plot import curve


def test_the_curve_is_well_formed_and_named() -> None:
    """Names of models are text, not markup."""
    weak = np.array([0.0, 1.0, 0.0])
    found = ET.fromstring(  # noqa: S314 - our own
        curve(np.array([3.0, 1.0, 2.0]), weak, np.ones(3), "a <b> & c")
    )
    assert "a <b> & c" in [node.text for node in found.iter()]
