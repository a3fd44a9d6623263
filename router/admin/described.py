"""The admin API in OpenAPI's terms, made from the models that check its bodies; and that everything needs a key."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel

from router.accounts.door import Access, access_of
from router.accounts.usage import HEADINGS
from router.accounts.verdicts import HEADINGS as QUALITY_HEADINGS
from router.admin.answers import MOST_IN_A_PAGE
from router.admin.bodies import NewKey, NewTenant, Rotation, TenantChange
from router.admin.quality import Feedback, Promotion

Document = dict[str, Any]

_STEPS: tuple[tuple[str, str, str, type[BaseModel] | None], ...] = (
    ("get", "/", "The fleet at a glance, for people, without its figures", None),
    ("get", "/page/{file}", "What that page loads", None),
    ("get", "/admin/overview", "Its figures; with accept: text/event-stream, live", None),
    ("get", "/admin/tenants", "Tenants", None),
    ("post", "/admin/tenants", "Create a tenant", NewTenant),
    ("get", "/admin/tenants/{tenant}", "One tenant, and what its plan comes to", None),
    ("patch", "/admin/tenants/{tenant}", "Change a tenant's plan, or fields of it", TenantChange),
    ("delete", "/admin/tenants/{tenant}", "Forget a tenant and everything that is kept of it", None),
    ("get", "/admin/tenants/{tenant}/export", "Everything that is kept of a tenant, in lines of JSON", None),
    ("get", "/admin/keys", "Keys, without their secrets", None),
    ("post", "/admin/keys", "Make a key; it is shown this once", NewKey),
    ("get", "/admin/keys/{key}", "One key, without its secret", None),
    ("post", "/admin/keys/{key}/rotate", "Replace a key", Rotation),
    ("delete", "/admin/keys/{key}", "Revoke a key", None),
    ("get", "/admin/usage", "What was used, by all tenants or one", None),
    ("get", "/admin/egress", "What left the site, by day, tenant, model and reason", None),
    ("get", "/admin/quality", "How good the answers are: win rate and quality share with intervals", None),
    ("get", "/admin/report", "The facts of a month's report, which freehold report makes of them", None),
    ("get", "/admin/labels", "What a router can be trained on, in lines of JSON, prompts in the clear", None),
    ("get", "/admin/router", "The router in use, and the moves that led there", None),
    ("post", "/admin/router", "Put a trained router in use at every gateway", Promotion),
    ("post", "/admin/router/rollback", "Take the latest promotion back", None),
    ("post", "/v1/feedback", "Say how an answer was", Feedback),
    ("get", "/v1/usage", "What the caller's own tenant used", None),
)
_WORDS: Document = {"type": "string"}
_PAGES: Document = {"after": _WORDS, "limit": {"type": "integer", "minimum": 1, "maximum": MOST_IN_A_PAGE}}
_USAGE: Document = {
    "by": {"enum": [*HEADINGS]},
    "tenant": _WORDS,
    **dict.fromkeys(("since", "until"), _WORDS | {"format": "date"}),
}
_QUERIES: dict[str, Document] = {
    "/admin/tenants": _PAGES,
    "/admin/keys": {"tenant": _WORDS, **_PAGES},
    "/admin/usage": _USAGE,
    "/admin/quality": _USAGE | {"by": {"enum": [*QUALITY_HEADINGS]}},
    "/admin/egress": {name: schema for name, schema in _USAGE.items() if name != "by"},
    "/admin/report": {"month": _WORDS | {"pattern": "^20[0-9]{2}-[0-9]{2}$"}},
    "/v1/usage": _USAGE,
}
_LINES = ("/admin/labels",)
_REFUSED = {"4XX": "Refused; `param` names the field", "503": "The database is away"}


def with_accounts(document: Document) -> Document:
    """The gateway's description with the routes that accounts add, and the key that nearly all of it needs."""
    schemas, paths = dict(document["components"]["schemas"]), dict(document["paths"])
    for method, path, summary, body in _STEPS:
        paths[path] = {**paths.get(path, {}), method: _operation(path, summary, body, schemas)}
    for path, methods in paths.items():
        if access_of(path) is Access.OPEN:
            paths[path] = {method: {**operation, "security": []} for method, operation in methods.items()}
    key = {"type": "http", "scheme": "bearer", "description": "A key of Freehold's, beginning with fh-."}
    components = {**document["components"], "schemas": schemas, "securitySchemes": {"key": key}}
    return {**document, "paths": paths, "components": components, "security": [{"key": []}]}


def _operation(path: str, summary: str, body: type[BaseModel] | None, schemas: Document) -> Document:
    error = {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}}
    refused = {status: {"description": text, "content": error} for status, text in _REFUSED.items()}
    kind = "application/x-ndjson" if path in _LINES or path.endswith("/export") else "application/json"
    success = {
        "description": "Done",
        "content": {kind: {"schema": {} if kind.endswith("ndjson") else {"type": "object"}}},
    }
    found: Document = {"summary": summary, "responses": {"200": success, **refused}}
    named = [part[1:-1] for part in path.split("/") if part.startswith("{")]
    parameters = [{"name": name, "in": "path", "required": True, "schema": _WORDS} for name in named]
    queries = _QUERIES.get(path, {}) if body is None else {}
    parameters += [{"name": name, "in": "query", "schema": schema} for name, schema in queries.items()]
    if parameters:
        found["parameters"] = parameters
    if body is not None:
        found["requestBody"] = _request_body(body, schemas)
    return found


def _request_body(body: type[BaseModel], schemas: Document) -> Document:
    schema = body.model_json_schema(ref_template="#/components/schemas/{model}")
    schemas.update(schema.pop("$defs", {}))
    schemas[body.__name__] = schema
    reference = {"$ref": f"#/components/schemas/{body.__name__}"}
    return {"required": "required" in schema, "content": {"application/json": {"schema": reference}}}
