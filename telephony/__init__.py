"""The words of the gateway: numbers, calls, events, endings. Pure: no I/O, no clock, no SDK."""
