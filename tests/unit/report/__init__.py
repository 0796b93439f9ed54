"""Tests of `voxray.report`."""
