"""`python -m voxray` is the `voxray` command."""

from voxray.cli import main

if __name__ == "__main__":
    main()
