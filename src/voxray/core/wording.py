"""Words that messages and pages share."""

from collections.abc import Iterable


def counted(n: int, noun: str) -> str:
    """Number with its noun.

    Example:
        >>> counted(1, "volume"), counted(4012, "volume")
        ('1 volume', '4,012 volumes')
    """
    return f"{n:,} {noun}" if n == 1 else f"{n:,} {noun}s"


def crossed(values: Iterable[float], form: str = "g") -> str:
    """Numbers along the axes of something.

    Args:
        values: One per axis.
        form: How each is written.

    Example:
        >>> crossed((512, 512, 40)), crossed((0.70312, 1.0), ".2f")
        ('512 x 512 x 40', '0.70 x 1.00')
    """
    return " x ".join(f"{value:{form}}" for value in values)


def cut_in_words(threshold: float) -> str:
    """A threshold with four decimals; more where these would say 0 or 1.

    Example:
        >>> cut_in_words(0.5), cut_in_words(2.3e-06), cut_in_words(0.99999942)
        ('0.5000', '2.3e-06', '0.99999942')
    """
    said = f"{threshold:.4f}"
    return said if said not in {"0.0000", "1.0000"} else f"{threshold:.8g}"
