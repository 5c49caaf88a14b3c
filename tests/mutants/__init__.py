"""Plant small bugs into a copy of the code and see whether a test notices: `python -m tests.mutants`."""
