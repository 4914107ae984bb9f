"""The same suites run by promptfoo and by their conversion, on one server of this machine: `make test-promptfoo`."""
