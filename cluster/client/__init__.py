"""What talks to a gateway: chat, replay, and the first tokens of a start. It sees HTTP and nothing behind it."""
