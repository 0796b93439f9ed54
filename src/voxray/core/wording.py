"""Words that messages and pages share."""


def counted(n: int, noun: str) -> str:
    """Number with its noun.

    Example:
        >>> counted(1, "volume"), counted(4012, "volume")
        ('1 volume', '4,012 volumes')
    """
    return f"{n:,} {noun}" if n == 1 else f"{n:,} {noun}s"
