"""Where the dialer touches the outside: the database, LiveKit, Redis."""
