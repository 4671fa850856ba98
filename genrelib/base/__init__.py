"""Errors, seeds, files, and work spread over processes or machines: what every room stands on."""
