"""Who may call what: keys, tokens and sessions, each belonging to a tenant."""
