"""Models at the hub."""

import pytest

from msdae.errors import UserError
from msdae.models import hub


def test_an_error_without_words_is_said_all_the_same(monkeypatch):
    """Regression: the first of no lines was taken."""

    def fail(*arguments, **options):
        raise TimeoutError

    monkeypatch.setattr("huggingface_hub.hf_hub_download", fail)
    with pytest.raises(UserError, match=r"to be had from the Hugging Face hub \(TimeoutError\); try again"):
        hub.download("owner/name", "try again")
