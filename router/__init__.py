"""What callers talk to: the gateway that admits, understands, decides, forwards, accounts and learns.

It meets the engines over HTTP and never imports ``serving``; of ``cluster`` it sees the nouns alone. Begin with
:mod:`router.gateway` (the life of one request) and :mod:`router.decide.policy` (who answers it).
"""
