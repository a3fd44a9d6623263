"""Whether a cluster can run a release, before anything is applied: each check names the object and the way out.

Pure over :class:`~cluster.kube.deploy.survey.Facts` and what Helm rendered. A check that the user's rights do not allow
is told as such and refuses nothing. Neighbours: :mod:`cluster.kube.deploy.survey` asks,
:mod:`cluster.kube.deploy.capacity` counts.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from cluster.errors import PreflightError
from cluster.kube.deploy import capacity
from cluster.kube.deploy.checks import NO_RIGHT, Check, Request, Verdict, held
from cluster.kube.deploy.helm import OLDEST
from cluster.kube.deploy.survey import Facts, Kinds
from cluster.kube.deploy.wanted import claims, images, is_pinned, kinds, secrets

OLDEST_OPERATOR = (1, 7)
"""The release of KubeRay whose definitions the chart is tested against."""


def check(asked: Request, facts: Facts, served: Kinds) -> tuple[Check, ...]:
    """All checks, in the order in which one would mend what they find."""
    found = [
        *_helm(asked),
        *_namespace(asked, facts),
        *_kinds(asked, served),
        *_operator(asked, facts, served),
        *_images(asked),
        *_secrets(asked, facts),
        *_storage(asked, facts),
        *capacity.gpu_names(asked, facts),
        *capacity.fit(asked, facts),
        *capacity.quotas(asked, facts),
        *_refusals(asked, facts),
    ]
    return tuple(found)


def refuse_unless_all_hold(checks: Iterable[Check]) -> None:
    """Raise with everything that fails, so that all of it can be mended at once.

    Raises:
        PreflightError: something fails.

    """
    failed = [one for one in checks if one.verdict is Verdict.FAILS]
    if failed:
        lines = "\n".join(f"  {one}" for one in failed)
        msg = f"this cluster cannot run the fleet; nothing was applied:\n{lines}"
        raise PreflightError(msg)


def _helm(asked: Request) -> Iterator[Check]:
    text = ".".join(map(str, asked.helm))
    if asked.helm < OLDEST:
        wanted = ".".join(map(str, OLDEST))
        yield Check("helm", Verdict.FAILS, f"{text} is older than {wanted}", "install a newer one, or name it: HELM=…")
    else:
        yield Check("helm", Verdict.HOLDS, text)


def _namespace(asked: Request, facts: Facts) -> Iterator[Check]:
    if facts.namespace_exists:
        yield Check("namespace", Verdict.HOLDS, asked.namespace)
    else:
        fix = f"kubectl create namespace {asked.namespace}"
        yield Check("namespace", Verdict.FAILS, f"there is no namespace {asked.namespace!r}", fix)


_SOURCES = {
    "ray.io": "install the KubeRay operator with its definitions, or use --mode plain: helm install kuberay-operator"
    " kuberay-operator --repo https://ray-project.github.io/kuberay-helm -n kuberay-system --create-namespace",
    "keda.sh": "install KEDA, or set engines.keda.enabled to false",
    "gateway.networking.k8s.io": "install the Gateway API, or set gateway.httpRoute.enabled to false",
}


def _kinds(asked: Request, served: Kinds) -> list[Check]:
    missing = [(version, kind) for version, kind in kinds(asked.rendered) if (version, kind) not in served.served]
    problems = [
        Check(
            "kinds",
            Verdict.FAILS,
            f"the cluster has no {kind} ({version})",
            _SOURCES.get(version.partition("/")[0], f"the chart needs a Kubernetes with it; this is {served.version}"),
        )
        for version, kind in missing
    ]
    return held("kinds", problems, f"{len(kinds(asked.rendered))} kinds of objects, Kubernetes {served.version}")


def _operator(asked: Request, facts: Facts, served: Kinds) -> Iterator[Check]:
    ray = [(version, kind) for version, kind in kinds(asked.rendered) if kind == "RayService"]
    if not ray or ray[0] not in served.served:
        return
    if facts.operators is None:
        yield Check("operator", Verdict.UNKNOWN, NO_RIGHT.format("list Deployments where KubeRay runs"))
    elif not facts.operators:
        text = "its definitions are there, but no KubeRay operator runs: a RayService would stay as it is"
        yield Check("operator", Verdict.FAILS, text, _SOURCES["ray.io"])
    else:
        image = facts.operators[0]
        version = re.search(r"v?(\d+)\.(\d+)", image.rpartition(":")[2])
        if version and (int(version[1]), int(version[2])) < OLDEST_OPERATOR:
            fix = "upgrade it to 1.7 or newer, its definitions first: Helm leaves those as they are"
            yield Check("operator", Verdict.FAILS, f"KubeRay {version[0]} is too old ({image})", fix)
        else:
            yield Check("operator", Verdict.HOLDS if version else Verdict.UNKNOWN, image)


def _images(asked: Request) -> list[Check]:
    found = images(asked.rendered)
    problems = [
        Check("images", Verdict.FAILS, f"{image} ({owner}) names no version", "set image.tag or image.digest")
        for image, owner in found.items()
        if not is_pinned(image)
    ]
    return held("images", problems, ", ".join(found))


def _secrets(asked: Request, facts: Facts) -> list[Check]:
    named = secrets(asked.rendered)
    if not named:
        return [Check("secrets", Verdict.HOLDS, "none are needed")]
    if facts.secrets is None:
        return [Check("secrets", Verdict.UNKNOWN, NO_RIGHT.format("get Secrets"))]
    problems = []
    for name, keys in named.items():
        there = facts.secrets.get(name)
        missing = [key for key in keys if key and (there is None or key not in there)]
        if there is None or missing:
            what = f"Secret {name!r} is missing" if there is None else f"Secret {name!r} has no {', '.join(missing)}"
            literals = " ".join(f"--from-literal={key}=…" for key in keys if key)
            make = f"kubectl -n {asked.namespace} create secret generic {name} {literals}".rstrip()
            problems.append(Check("secrets", Verdict.FAILS, what, f"needed for {next(iter(keys.values()))}: {make}"))
    return held("secrets", problems, ", ".join(named))


def _storage(asked: Request, facts: Facts) -> list[Check]:
    made, named = claims(asked.rendered)
    problems = [
        Check(
            "storage",
            Verdict.FAILS,
            f"PersistentVolumeClaim {name!r} is missing",
            "make it, or set engines.weights.type",
        )
        for name in named
        if name not in facts.claims
    ]
    for name, storage in made.items():
        if facts.storage_classes is None:
            problems.append(Check("storage", Verdict.UNKNOWN, NO_RIGHT.format("list StorageClasses")))
        elif storage and storage not in facts.storage_classes:
            there = ", ".join(facts.storage_classes) or "none"
            fix = f"set engines.weights.storageClass to one of the cluster's: {there}"
            problems.append(Check("storage", Verdict.FAILS, f"no StorageClass {storage!r} for claim {name}", fix))
        elif not storage and not any(facts.storage_classes.values()):
            fix = "set engines.weights.storageClass: " + (
                ", ".join(facts.storage_classes) or "the cluster has none at all"
            )
            problems.append(Check("storage", Verdict.FAILS, f"no default StorageClass for claim {name}", fix))
    return held("storage", problems, ", ".join([*made, *named]) or "no claims")


def _refusals(asked: Request, facts: Facts) -> list[Check]:
    """Objects are tried one by one; the same reason is told once."""
    by_reason: dict[str, list[str]] = {}
    lacking = [name for name, refusal in facts.refusals.items() if refusal.lacks_right]
    for name, refusal in facts.refusals.items():
        if name not in lacking:
            by_reason.setdefault(refusal.why.replace(name.partition("/")[2], "…"), []).append(name)
    problems = [
        Check(
            "dry run", Verdict.FAILS, f"the API server would refuse {', '.join(names)}: {facts.refusals[names[0]].why}"
        )
        for names in by_reason.values()
    ]
    if lacking:
        refused = ", ".join(dict.fromkeys(name.partition("/")[0] for name in lacking))
        first = facts.refusals[lacking[0]].why.splitlines()[0]
        fix = f"ask for the Role freehold-deployer of helm/roles.yaml in namespace {asked.namespace}"
        problems.append(Check("rights", Verdict.FAILS, f"no right to make or change {refused}: {first}", fix))
    return held("dry run", problems, "the API server would take every object")
