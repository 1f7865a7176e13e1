"""Finds the links of chained Ogg files, of which libsndfile only reads the first."""

from collections.abc import Iterator
from typing import BinaryIO

from msdae.audio.parts import CutShort, Part, read_at

_HEAD = 27  # bytes of a page's header before its table of lengths
_LARGEST = 65_307  # bytes of the largest page
_FIRST, _LAST = 2, 4  # bits of a page's type: its stream begins, its stream ends


def parts(file: BinaryIO, start: int, size: int) -> list[Part]:
    """The links of a file from offset `start` on.

    Raises:
        CutShort: a page is incomplete, or the last page of a link is missing.
    """
    starts: list[int] = []
    kind = _LAST
    for position in _pages(file, start, size):
        before, kind = kind, read_at(file, position + 5, 1)[0]
        if kind & _FIRST and not (starts and before & _FIRST):  # parallel streams begin together
            _check_ended(before)
            starts.append(position)
    _check_ended(kind)
    starts = starts or [start]
    return [Part(*bounds) for bounds in zip(starts, [*starts[1:], size], strict=True)]


def _check_ended(kind: int) -> None:
    if not kind & _LAST:
        raise CutShort("its last page is missing")


def _pages(file: BinaryIO, position: int, size: int) -> Iterator[int]:
    """The offset of each page."""
    while position < size:
        head = read_at(file, position, _HEAD + 255)
        if head[:4] != b"OggS":
            if b"OggS" in read_at(file, position, 2 * _LARGEST):
                raise CutShort("a part of a page is missing")
            return
        lengths = head[_HEAD : _HEAD + head[26]] if len(head) >= _HEAD else b""
        end = position + _HEAD + len(lengths) + sum(lengths)
        if len(head) < _HEAD or len(lengths) < head[26] or end > size:
            raise CutShort("its last page is missing")
        yield position
        position = end
