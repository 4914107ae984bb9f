"""Consumers of events and results: what is shown, and what is written beside the journal."""
