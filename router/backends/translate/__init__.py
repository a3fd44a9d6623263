"""OpenAI's chat ⇄ Anthropic's Messages, both ways: requests, whole answers, streams. Pure; no vendor, no I/O.

Each direction undoes the other on what both APIs can say (property tests hold that); what only one of them can say is
dropped where it is a hint, and an :class:`~router.backends.translate.blocks.UntranslatableError` where it would change
the answer's shape. The table is in docs/spillover.md. Neighbour: :mod:`router.backends.claude` does the talking.
"""
