"""Examine a trunk: a live probe of each part, and in words what is wrong and what mends it."""
