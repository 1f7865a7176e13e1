"""What a registry refuses: names that files would be read wrongly by."""

import pytest

from msdae.errors import UserError
from msdae.models.composers import COMPOSERS
from msdae.models.msdae import MSDAE
from msdae.models.registry import MODELS
from msdae.registry import Registry


def test_a_class_that_calls_itself_by_another_name_is_refused():
    """Regression: a model that took over its parent's `kind` was saved, and read again, as its parent."""

    class Apart(MSDAE):
        residual = False

    with pytest.raises(UserError, match="itself 'msdae'.*write kind = \"apart\""):
        MODELS.register("apart")(Apart)
    assert "apart" not in MODELS


def test_the_name_of_another_entry_is_refused(monkeypatch):
    """Regression: of a composer of one's own and a shipped one of the same name one was trained, unsaid."""
    shipped = COMPOSERS["lstm"]  # before: what is imported later would go into the copy
    monkeypatch.setattr(COMPOSERS, "_entries", dict(COMPOSERS._entries))

    class Mine:
        kind = "lstm"

    with pytest.raises(UserError, match="composer 'lstm': is the name of one of msdae.models"):
        COMPOSERS.register("lstm")(Mine)
    assert COMPOSERS["lstm"] is shipped


def test_a_definition_that_is_run_again_replaces_itself():
    registry: Registry = Registry("toy", "msdae.models", "kind")
    classes = []
    for _ in range(2):

        @registry.register("first")
        class First:
            kind = "first"

        classes.append(First)
    assert registry._entries["first"] is classes[1]
