"""Asks an engine for one real token, or one embedding: the only proof that it serves."""

from __future__ import annotations

import http.client
import json

from serving.proxy import HOST

OK = 200


def answers(port: int, model: str, served_as: str, *, embeds: bool) -> bool:
    """Whether the model behind ``port`` answers now; False while there is no route to it yet."""
    path = f"/{model}/v1/{'embeddings' if embeds else 'completions'}"
    question = {"input": "Hello"} if embeds else {"prompt": "Hello", "max_tokens": 1}
    connection = http.client.HTTPConnection(HOST, port, timeout=60)
    try:
        body = json.dumps({"model": served_as, **question})
        connection.request("POST", path, body, {"content-type": "application/json"})
        response = connection.getresponse()
        response.read()
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
    return response.status == OK
