"""Fail when a test was skipped: refuse_skips.py JUNIT.xml."""

import sys
import xml.etree.ElementTree as ET
from pathlib import Path


def skipped(report: Path) -> list[str]:
    """Name and reason of every skipped test; an expected failure is none."""
    cases = ET.parse(report).getroot().iter("testcase")
    return [
        f"{case.get('classname')}::{case.get('name')}: {skip.get('message')}"
        for case in cases
        for skip in case.findall("skipped")
        if skip.get("type") != "pytest.xfail"
    ]


def main() -> int:
    """Show skipped tests; exit code 1 if there are any or nothing was reported."""
    report = Path(sys.argv[1])
    if not report.is_file():
        sys.stderr.write("error: pytest wrote no report\n")
        return 1
    found = skipped(report)
    for line in found:
        sys.stderr.write(f"error: skipped, but CI runs everything: {line}\n")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
