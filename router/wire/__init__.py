"""The HTTP surface as callers see it: the fields we read, OpenAI's error shape, server-sent events. Pure, no I/O."""
