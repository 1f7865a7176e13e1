"""The swap score in one picture: how much of the melody and how much of the timbre each output has."""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

SIDE, LEFT, TOP, RIGHT, BOTTOM = 400, 52, 14, 30, 48  # pixels: the square, and what is around it
ISO = (0.2, 0.4, 0.6, 0.8)
RADIUS = 5.5
LETTER, LINE = 6.4, 12  # pixels, about, of a letter of a label
_AROUND = ((1, 0), (-1, 0), (0, -1), (0, 1), (1, -1), (-1, -1), (1, 1), (-1, 1))  # where a label may lie
_FAR = 2.2  # a second ring, times the first

Box = tuple[float, float, float, float]  # left, top, right, bottom


@dataclass(frozen=True)
class Point:
    """An output: its share of the ceiling's melody and timbre, 0 to 1 each.

    kind: "bound" for copies and the codec, else the number of the model.
    label: beside the mark. name: in full. hollow: for a reconstruction.
    """

    melody: float
    timbre: float
    kind: str
    label: str
    name: str
    hollow: bool = False


def svg(title: str, points: Sequence[Point]) -> str:
    """An inline SVG: melody to the right, timbre upwards, lines of equal harmonic mean, a mark a point."""
    width, height = LEFT + SIDE + RIGHT, TOP + SIDE + BOTTOM
    described = "; ".join(f"{p.name}: melody {p.melody:.2f}, timbre {p.timbre:.2f}" for p in points)
    return "\n".join(
        [
            f'<svg viewBox="0 0 {width} {height}" role="img" aria-label="{escape(f"{title}. {described}")}">',
            *_axes(),
            *(_iso(score) for score in ISO),
            *(_mark(point) for point in sorted(points, key=lambda point: point.kind == "bound")),
            *_labels(points),
            "</svg>",
        ]
    )


def mark(kind: str, hollow: bool = False) -> str:
    """The mark of a kind of point alone, for a legend."""
    return f'<svg class="key" viewBox="-8 -8 16 16" aria-hidden="true">{shape(kind, hollow)}</svg>'


def _axes() -> list[str]:
    lines = [f'<rect class="frame" x="{LEFT}" y="{TOP}" width="{SIDE}" height="{SIDE}"/>']
    for tick in (0, 0.25, 0.5, 0.75, 1):
        x, y = _place(tick, tick)
        lines.append(
            f'<text class="tick" x="{x:g}" y="{TOP + SIDE + 18}" text-anchor="middle">{tick:g}</text>'
        )
        lines.append(f'<text class="tick" x="{LEFT - 8}" y="{y + 4:g}" text-anchor="end">{tick:g}</text>')
    middle = LEFT + SIDE / 2
    lines.append(
        f'<text x="{middle}" y="{TOP + SIDE + 40}" text-anchor="middle">melody, share of the codec’s</text>'
    )
    turned = f'transform="translate(14 {TOP + SIDE / 2}) rotate(-90)"'
    lines.append(f'<text {turned} text-anchor="middle">timbre, share of the codec’s</text>')
    return lines


def _iso(score: float) -> str:
    """The points whose harmonic mean is `score`, from the right edge to the upper one."""
    least = score / (2 - score)  # where the other is 1
    along = [least + (1 - least) * (step / 40) ** 2 for step in range(41)]
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in (_place(m, score * m / (2 * m - score)) for m in along))
    x, y = _place(1, least)
    return (
        f'<polyline class="iso" points="{path}"/>'
        f'<text class="iso" x="{x + 5:.1f}" y="{y + 4:.1f}">{score:g}</text>'
    )


def _mark(point: Point) -> str:
    x, y = _place(point.melody, point.timbre)
    drawn = shape(point.kind, point.hollow)
    return f'<g transform="translate({x:.1f} {y:.1f})"><title>{escape(point.name)}</title>{drawn}</g>'


def shape(kind: str, hollow: bool = False) -> str:
    """The mark of a kind of point, around (0, 0)."""
    if kind == "bound":
        return '<path class="bound" d="M-5,-5 L5,5 M-5,5 L5,-5"/>'
    shapes = (
        '<circle r="5.5"/>',
        '<rect x="-5" y="-5" width="10" height="10"/>',
        '<path d="M0,-6.5 L6,5 L-6,5 Z"/>',
        '<path d="M0,-7 L7,0 L0,7 L-7,0 Z"/>',
        '<path d="M0,6.5 L6,-5 L-6,-5 Z"/>',
    )
    number = int(kind) % len(shapes)
    return f'<g class="model{number}{" hollow" if hollow else ""}">{shapes[number]}</g>'


def _labels(points: Sequence[Point]) -> list[str]:
    """Each label beside its mark, where it covers least of the others."""
    marks = [_box(*_place(point.melody, point.timbre), 2 * RADIUS, 2 * RADIUS) for point in points]
    taken: list[Box] = list(marks)
    drawn = []
    for point, own in zip(points, marks, strict=True):
        x, y = _place(point.melody, point.timbre)
        width = LETTER * len(point.label)
        right, down = RADIUS + 3 + width / 2, RADIUS + 2 + LINE / 2
        boxes = [
            _box(x + far * dx * right, y + far * dy * down, width, LINE)
            for far in (1, _FAR)
            for dx, dy in _AROUND
        ]
        others = [box for box in taken if box is not own]
        best = min(boxes, key=lambda box: sum(_overlap(box, other) for other in others) + 50 * _outside(box))
        taken.append(best)
        left, _, right, bottom = best
        drawn.append(
            f'<text class="label" x="{(left + right) / 2:.1f}" y="{bottom - 2:.1f}" text-anchor="middle">'
            f"{escape(point.label)}</text>"
        )
    return drawn


def _place(melody: float, timbre: float) -> tuple[float, float]:
    return LEFT + SIDE * melody, TOP + SIDE * (1 - timbre)


def _box(x: float, y: float, width: float, height: float) -> Box:
    """Around the middle (x, y)."""
    return x - width / 2, y - height / 2, x + width / 2, y + height / 2


def _overlap(a: Box, b: Box) -> float:
    """Area, in square pixels."""
    width, height = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    return max(0.0, width) * max(0.0, height)


def _outside(box: Box) -> float:
    """How far `box` reaches out of the square, in pixels."""
    return (
        max(0.0, LEFT - box[0])
        + max(0.0, TOP - box[1])
        + max(0.0, box[2] - LEFT - SIDE)
        + max(0.0, box[3] - TOP - SIDE)
    )
