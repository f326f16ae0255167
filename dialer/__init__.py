"""The control plane: the API and its loops."""
