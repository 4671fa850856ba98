"""What every room stands on: errors, seeds, files, work spread over processes or machines."""
