"""The test page: sign in, talk to an agent from a browser, see the latest calls."""
