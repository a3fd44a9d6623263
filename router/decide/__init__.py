"""Who answers a request: ``(ask, fleet, live load) → Decision``. Pure: no I/O, no clock, no randomness."""
