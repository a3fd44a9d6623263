"""The API's description, made from the same types that check the requests, and a page of it for people."""

from __future__ import annotations

from functools import cache
from html import escape
from typing import Any

from cluster.spec import Fleet
from router.wire.endpoints import ENDPOINTS, Endpoint

Document = dict[str, Any]

_ERROR = {
    "type": "object",
    "required": ["error"],
    "properties": {
        "error": {
            "type": "object",
            "required": ["message", "type"],
            "properties": {
                "message": {"type": "string"},
                "type": {"type": "string"},
                "param": {"type": ["string", "null"]},
                "code": {"type": ["string", "null"]},
            },
        },
    },
}
_ANTHROPIC_ERROR = {
    "type": "object",
    "required": ["type", "error"],
    "properties": {
        "type": {"const": "error"},
        "error": {
            "type": "object",
            "required": ["type", "message"],
            "properties": {"type": {"type": "string"}, "message": {"type": "string"}},
        },
    },
}
_SUMMARIES = {
    "/v1/chat/completions": "Answer a conversation",
    "/v1/completions": "Continue a text",
    "/v1/embeddings": "Embed texts",
    "/v1/responses": "Answer, in the shape of OpenAI's Responses",
    "/v1/messages": "Answer, in the shape of Anthropic's Messages",
}
_READS = {
    "/v1/models": ("Models, tiers and auto", "application/json", {"type": "object"}),
    "/v1/site": ("How this site is, for other sites", "application/json", {"type": "object"}),
    "/healthz": ("Alive", "text/plain", {"type": "string"}),
    "/readyz": ("Whether every tier has a target that answers", "application/json", {"type": "object"}),
    "/metrics": ("Prometheus metrics", "text/plain", {"type": "string"}),
    "/openapi.json": ("This description", "application/json", {"type": "object"}),
    "/docs": ("This description, for people", "text/html", {"type": "string"}),
}


def describe(fleet: Fleet) -> Document:
    """OpenAPI 3.1 of everything that the gateway answers."""
    schemas: dict[str, Any] = {"Error": _ERROR, "AnthropicError": _ANTHROPIC_ERROR}
    paths: dict[str, Any] = {}
    for path, endpoint in ENDPOINTS.items():
        paths[path] = {"post": _operation(endpoint, _schema(endpoint, schemas))}
    for path, (summary, kind, schema) in _READS.items():
        answers = {"200": _content("Success", kind, schema)}
        if path == "/readyz":
            answers["503"] = _content("Not ready", kind, schema)
        paths[path] = {"get": {"summary": summary, "responses": answers}}
    paths["/v1/models/{model}"] = _one_model()
    paths["/v1/route"] = _route()
    info = {"title": f"Freehold: {fleet.name}", "version": "1", "description": "One endpoint for a fleet of open LLMs."}
    return {"openapi": "3.1.0", "info": info, "paths": paths, "components": {"schemas": schemas}}


def _schema(endpoint: Endpoint, schemas: dict[str, Any]) -> Document:
    schema = _json_schema(endpoint)
    schemas.update(schema.get("$defs", {}))
    name = schema.get("title", endpoint.kind.value)
    schemas[name] = {key: value for key, value in schema.items() if key != "$defs"}
    return {"$ref": f"#/components/schemas/{name}"}


@cache
def fields_of(endpoint: Endpoint) -> frozenset[str]:
    """The names of the fields that a body for this endpoint may have."""
    return frozenset(_json_schema(endpoint)["properties"])


@cache
def _json_schema(endpoint: Endpoint) -> Document:
    """The same for every fleet, and slow to make."""
    return endpoint.body.json_schema(ref_template="#/components/schemas/{model}")


def _operation(endpoint: Endpoint, schema: Document) -> Document:
    kinds: dict[str, Any] = {"application/json": {"schema": {"type": "object"}}}
    if endpoint.endings:
        kinds["text/event-stream"] = {"schema": {"type": "string"}}
    error = "AnthropicError" if endpoint.path == "/v1/messages" else "Error"
    return {
        "summary": _SUMMARIES[endpoint.path],
        "parameters": [_EGRESS, _CONVERSATION, *_MORE.get(endpoint.path, ())],
        "requestBody": {"required": True, "content": {"application/json": {"schema": schema}}},
        "responses": {"200": {"description": "The answer", "content": kinds}, **_errors(error)},
    }


_EGRESS: Document = {
    "name": "x-freehold-egress",
    "in": "header",
    "description": "`never` keeps the request on the site, whatever the plan permits",
    "schema": {"type": "string", "enum": ["never"]},
}


_CASCADE: Document = {
    "name": "x-freehold-cascade",
    "in": "header",
    "description": "`never`: no answer is held back and given up for the large model's",
    "schema": {"type": "string", "enum": ["never"]},
}


_CONVERSATION: Document = {
    "name": "x-freehold-conversation",
    "in": "header",
    "description": "A name for the conversation, so that it stays with its model; nothing else is done with it",
    "schema": {"type": "string", "maxLength": 256},
}


_SHORTCUTS: Document = {
    "name": "x-freehold-shortcuts",
    "in": "header",
    "description": "`off`: a model answers, whatever the message is",
    "schema": {"type": "string", "enum": ["off"]},
}

_MORE = {"/v1/chat/completions": (_CASCADE, _SHORTCUTS), "/v1/messages": (_SHORTCUTS,)}
"""Headers of some endpoints alone."""


def _errors(schema: str) -> Document:
    body = {"$ref": f"#/components/schemas/{schema}"}
    meanings = {"4XX": "The request is refused; `param` names the field", "5XX": "No engine answered"}
    return {status: _content(text, "application/json", body) for status, text in meanings.items()}


def _content(text: str, kind: str, schema: Document) -> Document:
    return {"description": text, "content": {kind: {"schema": schema}}}


def _one_model() -> Document:
    name = {"name": "model", "in": "path", "required": True, "schema": {"type": "string"}}
    answers = {"200": _content("The model", "application/json", {"type": "object"}), **_errors("Error")}
    return {"get": {"summary": "One model", "parameters": [name], "responses": answers}}


def _route() -> Document:
    body = {"$ref": "#/components/schemas/ChatRequest"}
    answers = {"200": _content("The decision", "application/json", {"type": "object"}), **_errors("Error")}
    return {
        "post": {
            "summary": "Who would answer, and why, without generating",
            "parameters": [_EGRESS, _CONVERSATION, _SHORTCUTS],
            "requestBody": {"required": True, "content": {"application/json": {"schema": body}}},
            "responses": answers,
        },
    }


def page(document: Document) -> str:
    """The description as one static page."""
    rows = "".join(
        f"<tr><td><code>{method.upper()}</code><td><code>{escape(path)}</code><td>{escape(operation['summary'])}"
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    )
    bodies = "".join(_fields(name, schema) for name, schema in document["components"]["schemas"].items())
    return (
        "<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content='width=device-width'>"
        f"<title>{escape(document['info']['title'])}</title>"
        "<style>:root{color-scheme:light dark}"
        "body{font:16px/1.5 system-ui;max-width:60rem;margin:2rem auto;padding:0 1rem}"
        "table{border-collapse:collapse}td{padding:.2rem .8rem;border-top:1px solid #8884;vertical-align:top}</style>"
        f"<h1>{escape(document['info']['title'])}</h1><p><a href=openapi.json>openapi.json</a></p>"
        f"<table>{rows}</table>{bodies}</html>"
    )


def _fields(name: str, schema: Document) -> str:
    required = set(schema.get("required", ()))
    rows = "".join(
        f"<tr><td><code>{escape(field)}</code><td>{'required' if field in required else ''}"
        for field in schema.get("properties", {})
    )
    about = escape(schema.get("description", "").replace("``", ""))
    return f"<h2 id='{escape(name)}'>{escape(name)}</h2><p>{about}</p><table>{rows}</table>"
