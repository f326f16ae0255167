"""Workers: who is there, and the route by which they say so."""
