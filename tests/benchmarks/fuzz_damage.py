"""How `fuzz_intake.py` damages files."""

import random
from collections.abc import Callable

MAX_INPUT_BYTES = 4 << 20
INTERESTING = (
    0,
    1,
    2,
    7,
    8,
    0x7F,
    0x80,
    0xFF,
    0x7FFF,
    0xFFFE,
    0xFFFF,
    1 << 20,
    1 << 31,
)
TOKENS = (
    b"\xfe\xff\x00\xe0\xff\xff\xff\xff",  # item without length
    b"\xfe\xff\x00\xe0\x00\x00\x00\x00",
    b"\xfe\xff\x0d\xe0\x00\x00\x00\x00",  # item ends
    b"\xfe\xff\xdd\xe0\x00\x00\x00\x00",  # sequence ends
    b"\x08\x00\x40\x11SQ\x00\x00\xff\xff\xff\xff",
    b"\x00\x52\x30\x92SQ\x00\x00\xff\xff\xff\xff",  # per-frame groups
    b"\x09\x00\x10\x00UN\x00\x00\xff\xff\xff\xff",
    b"\xe0\x7f\x10\x00OW\x00\x00\xff\xff\xff\xff",
    b"\xe0\x7f\x10\x00OB\x00\x00\xff\xff\xff\x7f",
    b"\x28\x00\x10\x00US\x02\x00\xff\xff",  # rows
    b"\x28\x00\x11\x00US\x02\x00\xff\xff",  # columns
    b"\x28\x00\x02\x00US\x02\x00\xff\xff",  # samples
    b"\x28\x00\x00\x01US\x02\x00\x01\x00",  # bits
    b"\x28\x00\x08\x00IS\x0a\x002147483647",  # frames
    b"\x28\x00\x08\x00IS\x02\x00-1",
    b"\x28\x00\x53\x10DS\x04\x001e99",  # slope
    b"\x28\x00\x30\x00DS\x04\x000\\0 ",  # spacing
    b"\x08\x00\x05\x00CS\x0e\x00ISO 2022 IR 87",
    b"\x08\x00\x08\x00CS\x06\x00MOSAIC",
    b"1.2.840.10008.1.2\x00",
    b"1.2.840.10008.1.2.2\x00",
    b"1.2.840.10008.1.2.5\x00",
    b"1.2.840.10008.1.2.1.99",
    b"1.2.840.10008.1.2.4.50",
    b"1.2.840.10008.1.2.4.90",
    b"nan\\inf\\-inf ",
    b"n+1\x00",
    b"\x1b$B",
)


def flip_bits(content: bytearray, rng: random.Random, _: bytes) -> None:
    for _bit in range(rng.choice((1, 4, 32))):
        content[rng.randrange(len(content))] ^= 1 << rng.randrange(8)


def set_length(content: bytearray, rng: random.Random, _: bytes) -> None:
    """Overwrite two or four bytes, mostly where lengths stand, near the start."""
    size = rng.choice((2, 4))
    value = rng.choice(INTERESTING) & ((1 << 8 * size) - 1)
    at = rng.randrange(min(len(content), rng.choice((400, 2000, 1 << 30))))
    content[at : at + size] = value.to_bytes(size, rng.choice(("little", "big")))


def cut(content: bytearray, rng: random.Random, _: bytes) -> None:
    del content[rng.randrange(len(content)) :]


def splice(content: bytearray, rng: random.Random, other: bytes) -> None:
    content[rng.randrange(len(content)) :] = other[rng.randrange(len(other)) :]


def insert_token(content: bytearray, rng: random.Random, _: bytes) -> None:
    at = rng.choice((132, 300, rng.randrange(len(content))))
    content[at:at] = rng.choice(TOKENS) * rng.choice((1, 1, 1, 3, 100, 5000))


def overwrite_token(content: bytearray, rng: random.Random, _: bytes) -> None:
    at, token = rng.randrange(len(content)), rng.choice(TOKENS)
    content[at : at + len(token)] = token


def repeat_block(content: bytearray, rng: random.Random, _: bytes) -> None:
    at, size = rng.randrange(len(content)), rng.choice((2, 8, 40, 500))
    content[at:at] = content[at : at + size] * rng.choice((1, 2, 200))


def swap_blocks(content: bytearray, rng: random.Random, _: bytes) -> None:
    size = rng.choice((1, 8, 64, 512))
    one, two = (rng.randrange(len(content)) for _ in range(2))
    block = content[one : one + size]
    content[one : one + size], content[two : two + size] = (
        content[two : two + size],
        block,
    )


def remove_block(content: bytearray, rng: random.Random, _: bytes) -> None:
    at = rng.randrange(len(content))
    del content[at : at + rng.choice((1, 2, 8, 100))]


def clear_block(content: bytearray, rng: random.Random, _: bytes) -> None:
    at, size = rng.randrange(len(content)), rng.choice((4, 40, 400))
    content[at : at + size] = rng.choice((b"\0", b"\xff", b" ")) * size


def noise(content: bytearray, rng: random.Random, _: bytes) -> None:
    content[rng.choice((0, 132, 348)) :] = rng.randbytes(rng.choice((8, 400, 5000)))


DAMAGE: tuple[Callable[[bytearray, random.Random, bytes], None], ...] = (
    flip_bits,
    set_length,
    set_length,
    cut,
    splice,
    insert_token,
    insert_token,
    overwrite_token,
    repeat_block,
    swap_blocks,
    remove_block,
    clear_block,
    noise,
)


def damaged(
    number: int, seed: int, seeds: list[tuple[str, bytes]]
) -> tuple[str, bytes]:
    """The input of this number: the same for the same seed and files."""
    rng = random.Random(f"{seed}/{number}")
    name, content = rng.choice(seeds)
    changed = bytearray(content)
    for _ in range(rng.choice((1, 1, 2, 3, 6))):
        if changed:
            rng.choice(DAMAGE)(changed, rng, rng.choice(seeds)[1])
    return name, bytes(changed[:MAX_INPUT_BYTES])
