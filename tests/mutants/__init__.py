"""Small changes to the program, one at a time, that some test must notice: `make mutants`."""
