"""The life of a call: one file for each thing that happens to it."""
