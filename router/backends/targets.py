"""Who answers for each model of a fleet."""

from __future__ import annotations

from collections.abc import Mapping

from cluster.spec import Engine, Fleet, Gateway, Model
from cluster.spec.slug import slug
from router.backends.contract import Backend
from router.backends.site import SiteTarget, SiteWatch
from router.backends.target import Target


def targets_of(fleet: Fleet, engines: str) -> dict[str, Backend]:
    """Every model's target; ``engines`` is the address of those that Freehold starts, with ``{model}`` or ``{slug}``.

    ``fleet`` as it was spread.

    Raises:
        StartError: a hosted one, or another site, has no key.

    """
    watches = {name: SiteWatch(name, site, fleet) for name, site in fleet.sites.items()}
    return {
        name: SiteTarget(name, model, watches[model.site], fleet.gateway)
        if model.site
        else _target(name, model, engines, fleet.gateway)
        for name, model in fleet.models.items()
    }


def watches_of(targets: Mapping[str, Backend]) -> list[SiteWatch]:
    """Those who ask other sites how they are, each once; they are to run as long as the gateway does."""
    return list(dict.fromkeys(target.watch for target in targets.values() if isinstance(target, SiteTarget)))


def _target(name: str, model: Model, engines: str, gateway: Gateway) -> Backend:
    if model.engine is Engine.CLAUDE:
        from router.backends.claude import Claude  # noqa: PLC0415 - half a second that only those who use it wait for

        return Claude(name, model, gateway)
    base_url = (
        model.url if model.engine is Engine.URL else engines.replace("{model}", name).replace("{slug}", slug(name))
    )
    return Target(name, model, base_url, gateway)
