"""Measurements of our road and of a baseline, by packets at the carrier."""
