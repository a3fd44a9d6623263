"""Other Freehold endpoints that stand in for this one: where they are, what they may be asked for, in which order.

:func:`spread` makes of a fleet and its sites the fleet that a gateway works with. Neighbour:
:mod:`router.backends.site` asks them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Self
from urllib.parse import urlsplit

from pydantic import Field, model_validator

from cluster.spec.base import FieldPath, MisfitError, Name, Noun
from cluster.spec.gateway import Gateway
from cluster.spec.models import Egress, Engine, Model, Price

AT = "@"
"""Between a model's name and the site's, for the same model at another site: ``llama-8b@fra``."""


class Site(Noun):
    """Another Freehold gateway, asked while a model is down or saturated here."""

    url: Annotated[str, Field(pattern=r"^https?://[^\s]+$")]
    """Its base, without ``/v1``, such as ``https://llm.fra.example.com``."""
    api_key_env: str = ""
    """The environment variable that holds a key of that site, made there with ``--endpoint site``: what this site asks
    for is booked there under its tenant. Never the key itself. Empty: that site has no accounts."""
    region: Annotated[str, Field(max_length=64)] = ""
    """Where it is, as ``tenants.plans.*.regions`` names it."""
    egress: Egress = Egress.SAME_OWNER
    """How far away it is, and so what may be sent there."""
    weight: Annotated[float, Field(gt=0, le=1000)] = 1
    """How much it takes of what sites of the same price are asked: one of 2 twice as much as one of 1."""
    price: Price | None = None
    """What each token costs there, for a site of somebody else's; cheaper ones are asked first. Every request reserves
    its worst case from the budgets, and needs a plan with ``egress``."""
    offers: tuple[Name, ...] | None = None
    """Models of this file that it has, too, by the same names; null for all that run here. ``[]`` for none: then it
    has only what models of ``engine: freehold`` say."""

    @property
    def is_on_this_machine(self) -> bool:
        """Whether its address leads no further, as far as the file can tell."""
        host = urlsplit(self.url).hostname or ""
        return host in {"localhost", "::1"} or host.startswith("127.")

    @model_validator(mode="after")
    def _paid_is_outside(self) -> Self:
        if self.price is not None and self.egress is not Egress.OUTSIDE:
            raise MisfitError((("egress",), "what costs money is outside; set egress: outside, or remove the price"))
        return self


def offered(site: Site, models: Mapping[str, Model]) -> tuple[str, ...]:
    """The models of this fleet that a site has, too."""
    if site.offers is not None:
        return site.offers
    return tuple(name for name, model in models.items() if _is_here(model))


def at_site(model: Model, name: str, site: Site, site_name: str) -> Model:
    """What a gateway has to know of ``model`` to ask a site for it."""
    return Model.model_construct(
        engine=Engine.FREEHOLD,
        url=site.url,
        api_key_env=site.api_key_env,
        site=site_name,
        served_as=model.served_as if model.engine is Engine.FREEHOLD and model.served_as else name,
        price=site.price,
        egress=site.egress,
        own_cost=None if site.price else model.own_cost,
        context_length=model.context_length,
        capabilities=model.capabilities,
        replicas=model.replicas,
    )


def unreachable(
    sites: Mapping[str, Site], models: Mapping[str, Model], gateway: Gateway, here: str
) -> Iterator[tuple[FieldPath, str]]:
    """What does not fit between sites and models, as pairs of a path and what is wrong there."""
    for name, site in sites.items():
        if name != here and gateway.is_at(site.url):
            yield ("sites", name, "url"), "this is the gateway's own address; a request would go round"
        for index, model in enumerate(site.offers or ()):
            if model not in models or not _is_here(models[model]):
                yield ("sites", name, "offers", index), f"no model {model!r} runs here; use engine: freehold for it"
    for name, spec in models.items():
        if spec.site == here and spec.site:
            yield ("models", name, "site"), "this is this site's own name; the model would have to run here"
        elif spec.site and spec.site not in sites:
            yield ("models", name, "site"), f"no site {spec.site!r} in sites"


def _is_here(model: Model) -> bool:
    return model.runs_here or (model.engine is Engine.URL and not model.leaves_site)
