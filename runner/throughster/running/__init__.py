"""Running a spec: plan, rows, engine, journal, events."""
