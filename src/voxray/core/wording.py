"""Words that messages and pages share."""


def counted(n: int, noun: str) -> str:
    """Number with its noun.

    Example:
        >>> counted(1, "volume"), counted(4012, "volume")
        ('1 volume', '4,012 volumes')
    """
    return f"{n:,} {noun}" if n == 1 else f"{n:,} {noun}s"


def cut_in_words(threshold: float) -> str:
    """A threshold with four decimals; more where these would say 0 or 1.

    Example:
        >>> cut_in_words(0.5), cut_in_words(2.3e-06), cut_in_words(0.99999942)
        ('0.5000', '2.3e-06', '0.99999942')
    """
    said = f"{threshold:.4f}"
    return said if said not in {"0.0000", "1.0000"} else f"{threshold:.8g}"
