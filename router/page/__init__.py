"""The page at ``/``: the fleet at a glance, for whoever runs it, and a playground.

:mod:`.hour` listens to the gateway's events and keeps their last hour, :mod:`.workers` adds up what several worker
processes heard, :mod:`.overview` makes the figures, :mod:`.routes` serves them, once or live. ``static/`` is what
the browser loads: plain modules, and Preact 11.2.0 as it is published on npm; no build, nothing from anywhere else. No
prompt and no answer comes near any of it.
"""

from __future__ import annotations

from router.page.lookout import Lookout
from router.page.routes import page_routes

__all__ = ["Lookout", "page_routes"]
