"""Compare what was said with what was written down."""

from __future__ import annotations

import re

import jiwer


def plain(text: str) -> str:
    """Lower the case, drop punctuation, collapse spaces: what a word error rate looks at."""
    return " ".join(re.sub(r"[^a-z0-9' ]", " ", text.lower()).replace("'", "").split())


def word_error_rate(said: str, written: str) -> float:
    """Give the share of words that differ: 0 is the same, 1 is nothing in common."""
    return float(jiwer.wer(plain(said), plain(written)))
