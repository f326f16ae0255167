"""What the language model may do in a call, besides talking."""
