"""What can be seen of the gateway from outside: events, and their two listeners, metrics and log lines."""
