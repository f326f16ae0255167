"""May this call leave? One file for each question, asked in order by ``calls/place.py``."""
