"""Which trunk does a call leave by? What trunks there are, and which is best for it."""
