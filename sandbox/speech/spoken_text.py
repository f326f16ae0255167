"""Turn written text into what is said aloud, a sentence at a time."""

from __future__ import annotations

import re

_SPELLED = {
    "mr.": "mister",
    "mrs.": "missus",
    "ms.": "miss",
    "dr.": "doctor",
    "prof.": "professor",
    "st.": "saint",
    "etc.": "et cetera",
    "e.g.": "for example",
    "i.e.": "that is",
    "vs.": "versus",
    "no.": "number",
    "approx.": "approximately",
}
_ABBREVIATION = re.compile(
    r"(?<!\w)(" + "|".join(re.escape(a) for a in _SPELLED if a != "no.") + r")", re.IGNORECASE
)
_NUMBERED = re.compile(r"\bno\.(?=\s*\d)", re.IGNORECASE)
_CLOCK = re.compile(r"\b([01]?\d|2[0-3]):([0-5]\d)\s*(a\.?m\.?|p\.?m\.?)?(?![\w:])", re.IGNORECASE)
_HOUR = re.compile(r"\b(1[0-2]|[1-9])\s*(a\.?m|p\.?m)\b\.?", re.IGNORECASE)
_MONEY = re.compile(r"([$£€])(\d[\d,]*)(?:\.(\d\d))?(?!\d)")
_THOUSANDS = re.compile(r"(?<=\d),(?=\d{3}\b)")
_PHONE = re.compile(r"\+?\d[\d\s().-]{5,}\d")
_LONG_DIGITS = re.compile(r"\d{5,}")
_MARKUP = re.compile(r"[*_`#~|<>\[\]{}\\]+")
_SPACE = re.compile(r"\s+")
_SENTENCE = re.compile(r".+?(?:[.!?…]+[\"'”’)]*(?=\s|$)|$)", re.DOTALL)
_CLAUSE = re.compile(r".+?(?:[,;:—]+(?=\s)|$)", re.DOTALL)
_CURRENCY = {"$": ("dollar", "cent"), "£": ("pound", "penny"), "€": ("euro", "cent")}

#: Longer sentences are cut at commas, then at spaces: the voice model takes about 500 sounds.
MAX_SENTENCE = 240


def speakable(text: str) -> str:
    """Write out times, money, telephone numbers and abbreviations, and drop markup."""
    text = text.replace("’", "'").replace("‘", "'").replace("&", " and ").replace("%", " percent")
    text = _MARKUP.sub(" ", text)
    text = _ABBREVIATION.sub(lambda m: _SPELLED[m[1].lower()], text)
    text = _NUMBERED.sub("number", text)
    text = _MONEY.sub(_money, text)
    text = _CLOCK.sub(_clock, text)
    text = _HOUR.sub(lambda m: f"{m[1]} {_half_day(m[2])}", text)
    text = _THOUSANDS.sub("", text)
    text = _PHONE.sub(_phone, text)
    text = _LONG_DIGITS.sub(lambda m: " ".join(m[0]), text)
    return _SPACE.sub(" ", text).strip()


def sentences(text: str) -> list[str]:
    """Split speakable text where a speaker would breathe.

    Shape: no piece is empty or longer than MAX_SENTENCE.
    """
    pieces: list[str] = []
    for found in _SENTENCE.finditer(text):
        sentence = found[0].strip()
        if any(c.isalnum() for c in sentence):
            pieces.extend(_cut(sentence))
    return pieces


def _cut(sentence: str) -> list[str]:
    if len(sentence) <= MAX_SENTENCE:
        return [sentence]
    pieces: list[str] = []
    current = ""
    for clause in (m[0] for m in _CLAUSE.finditer(sentence)):
        for words in _wrap(clause):
            if current and len(current) + len(words) > MAX_SENTENCE:
                pieces.append(current.strip())
                current = ""
            current += words
    return [*pieces, current.strip()] if current.strip() else pieces


def _wrap(clause: str) -> list[str]:
    if len(clause) <= MAX_SENTENCE:
        return [clause]
    cut = clause.rfind(" ", 1, MAX_SENTENCE)
    cut = cut if cut > 0 else MAX_SENTENCE
    return [clause[:cut], *_wrap(clause[cut:])]


def _money(found: re.Match[str]) -> str:
    unit, part = _CURRENCY[found[1]]
    whole = found[2].replace(",", "")
    said = f"{whole} {unit}" if whole == "1" else f"{whole} {unit}s"
    if found[3] and found[3] != "00":
        plural = "pence" if part == "penny" else f"{part}s"
        said += f" and {int(found[3])} {part if found[3] == '01' else plural}"
    return said


def _clock(found: re.Match[str]) -> str:
    hour, minute, half = int(found[1]), int(found[2]), found[3]
    if minute:
        said = f"{hour} oh {minute}" if minute < 10 else f"{hour} {minute}"
    else:
        said = f"{hour} o'clock" if not half and 1 <= hour <= 12 else f"{hour}"
    return f"{said} {_half_day(half)}" if half else said


def _half_day(text: str) -> str:
    return "A M" if text.lower().startswith("a") else "P M"


def _phone(found: re.Match[str]) -> str:
    """Say a telephone number digit by digit, in the groups it was written in."""
    digits = re.sub(r"\D", "", found[0])
    if len(digits) < 7:
        return found[0]
    groups = re.findall(r"\d+", found[0])
    if len(groups) == 1:
        groups = [digits[i : i + 3] for i in range(0, len(digits) - 4, 3)]
        groups.append(digits[3 * len(groups) :])
    return ", ".join(" ".join(group) for group in groups if group)
