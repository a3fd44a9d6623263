"""What is changed about Serve's HAProxy, which stands in front of the engines: it stays on this machine and speaks up.

Serve writes HAProxy's configuration anew at every change and has no setting for these points. So a script takes
HAProxy's place, edits the configuration it is given, and becomes HAProxy.
"""

from __future__ import annotations

import re
import shlex
import socket
from collections.abc import Iterable
from pathlib import Path

from cluster.errors import PortInUseError

HOST = "127.0.0.1"
"""Where everything listens: engines know no keys, so only the gateway may be reachable from elsewhere."""

EDITS = rf"""# The pages of statistics and metrics, which have no setting for their address.
s/^( *bind )[*]?:/\1{HOST}:/
# Without replicas, say so at once: the spare would hold requests back until there are some again. The gateway knows
# better alternatives, and has deadlines and a bounded queue. A model that may have none is the exception: there the
# spare wakes it.
/^backend /h
/ check backup$/{{
  x
  /^backend http-(SLEEPERS)$/{{
    x
    b
  }}
  x
  d
}}
# 502, 503 and 504 as they are, not as a 500 that could be the engine's own.
/^ *errorfile /d
# HAProxy 2.8 does not see a client leave whose request it splices, and spins on a core until the answer comes.
/^ *option splice-request$/d
# A replica that is merely busy may take its time to say that it is well; else a second's silence would be its end.
/^ *option abortonclose$/a\
    timeout check 10s
# When a client leaves, Serve cancels the task that waits for vLLM's answer, which vLLM survives and goes on
# generating. Left alone, vLLM notices by itself and aborts.
/^frontend http_frontend/a\
    http-request set-header x-request-disconnect-disabled ?1
"""
"""In sed's language, extended regular expressions."""


def install(haproxy: str, folder: Path, sleepers: Iterable[str] = ()) -> Path:
    """Write the script, and the edits that it makes, into a folder.

    ``haproxy`` is the real one, ``sleepers`` are the models that may be without replicas for a while.
    """
    edits = folder / "haproxy.sed"
    edits.write_text(EDITS.replace("SLEEPERS", "|".join(map(re.escape, sleepers)) or " "))
    script = folder / "haproxy"
    script.write_text(
        "#!/bin/sh\n"
        'for word; do case "$word" in *.cfg)\n'
        f'  sed -E -f {shlex.quote(str(edits))} "$word" >"$word.edited" && mv "$word.edited" "$word" || exit ;;\n'
        "esac; done\n"
        f'exec {shlex.quote(haproxy)} "$@"\n'
    )
    script.chmod(0o700)
    return script


def check_free(port: int) -> None:
    """Raise :class:`~cluster.errors.PortInUseError` when somebody listens there already."""
    with socket.socket() as attempt:
        attempt.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            attempt.bind((HOST, port))
        except OSError as exc:
            msg = f"port {port} is in use; choose another with --port"
            raise PortInUseError(msg) from exc
