"""A phone network in a box: everything that a call needs, on loopback, for people and tests."""
