"""From a folder of scans to a scored, reported diagnosis. See docs/architecture.md."""

__version__ = "0.1.0"
