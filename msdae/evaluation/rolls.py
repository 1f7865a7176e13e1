"""Pictures of scores: piano rolls with a colour for each part."""

from collections.abc import Mapping
from pathlib import Path

from msdae.evaluation.figures import COLOURS, check_plot, new, plain, save, style
from msdae.symbolic.notes import Score, key_name
from msdae.symbolic.tokens import BAR


@style()
def plot_roll(path: str | Path, scores: Mapping[str, Score], columns: int = 1) -> None:
    """Write one picture with the piano roll of each score under its title: pitch over quarter notes.

    scores: {title: score}. columns: how many piano rolls are side by side.

    Raises:
        UserError: another extension than png, pdf or svg, or no such folder.
    """
    check_plot(path)
    rows = -(-len(scores) // columns)
    figure = new(9, 0.5 + 2.2 * rows)
    axes = figure.subplots(rows, columns, squeeze=False).flat
    for (title, score), axis in zip(scores.items(), axes, strict=False):
        for number, part in enumerate(score.parts):
            axis.barh(
                [note.pitch for note in part],
                [max(0.05, note.duration - 0.06) for note in part],
                left=[note.onset for note in part],
                height=0.9,
                color=COLOURS[number % len(COLOURS)],
            )
        end = max(BAR, score.quarters)
        pitches = [note.pitch for part in score.parts for note in part] or [60]
        marks = range(min(pitches) // 12 * 12, max(pitches) + 12, 12)
        axis.set_yticks(list(marks), list(map(key_name, marks)))
        axis.set(title=plain(title), xlim=(0, end), ylim=(min(pitches) - 2, max(pitches) + 2))
        axis.set_xlabel("quarter notes")
        axis.set_xticks(range(0, int(end) + 1, BAR))
        axis.grid(color="#E5E5E5", lw=0.8)
        axis.set_axisbelow(True)
    for axis in list(axes):
        axis.set_visible(False)
    save(figure, path)
