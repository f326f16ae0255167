#!/bin/sh
# Ask a URL; our image has no curl, but Python.
exec python -S -c '
import sys, urllib.request
with urllib.request.urlopen(sys.argv[1], timeout=4) as answer:
    sys.exit(answer.status != 200)
' "$1"
