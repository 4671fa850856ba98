"""A study: its parameters, and the runner that executes its notebooks by papermill."""
