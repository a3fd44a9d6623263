"""What the gateway forwards to: targets with their slots and health, reached over HTTP."""
