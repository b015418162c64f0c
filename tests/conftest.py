"""Every test is checked for leaked threads and sockets."""

pytest_plugins = ["aivoice.testing.pytest_plugin"]
