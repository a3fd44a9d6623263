"""Asks an engine for one real token, or one embedding: the only proof that it serves."""

from __future__ import annotations

import http.client
import json

from cluster.spec import Model
from serving.proxy import HOST

OK = 200
PATIENCE_S = 60


def answers(port: int, name: str, model: Model) -> bool:
    """Whether a model answers behind HAProxy's ``port``; False while there is no route to it yet."""
    question = {"input": "Hello"} if model.is_embedding else {"prompt": "Hello", "max_tokens": 1}
    body = json.dumps({"model": model.served_as or name, **question})
    path = f"/{name}/v1/{'embeddings' if model.is_embedding else 'completions'}"
    connection = http.client.HTTPConnection(HOST, port, timeout=PATIENCE_S)
    try:
        connection.request("POST", path, body, {"content-type": "application/json"})
        response = connection.getresponse()
        response.read()
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
    return response.status == OK
