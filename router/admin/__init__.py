"""The admin API: tenants, keys and usage, for admin keys alone; ``/v1/usage`` for everyone's own tenant.

:mod:`router.admin.routes` are the routes, :mod:`router.admin.bodies` what they take and give. Whether a request may
come here at all is :mod:`router.guard`'s to say.
"""

from __future__ import annotations

from router.admin.routes import admin_routes

__all__ = ["admin_routes"]
