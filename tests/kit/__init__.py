"""What tests lean on: waiting, fakes held to the real thing, and the running stack."""
