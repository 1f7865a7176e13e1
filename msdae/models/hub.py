"""Models at the Hugging Face hub, whose client is imported only when it is needed."""

import contextlib
import logging
import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from msdae import files
from msdae.errors import UserError, first_line
from msdae.models import codec_files
from msdae.models.cards import CARD

ID = re.compile(r"\w[\w.-]*/\w[\w.-]*")
WEIGHTS = "model.safetensors"  # the file's name in a folder or repository
STUDENT = "student.safetensors"  # beside it, where the model has one (see `models.student`)
logger = logging.getLogger(__name__)


def download(name: str, fix: str, **options: Any) -> Path:
    """The weights file of the repository `name`, fetched with its codec's where it has one.

    options: of `hf_hub_download` (revision, token ...).

    Raises:
        UserError: the repository cannot be reached; `fix` says what to do.
    """
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import (
        EntryNotFoundError,
        HfHubHTTPError,
        HFValidationError,
        LocalEntryNotFoundError,
    )

    try:
        if not options.get("local_files_only"):
            logger.info("%s: not a file here, asked for at the Hugging Face hub", name)
        weights = Path(hf_hub_download(name, WEIGHTS, **options))
        for file in (codec_files.CODEC, STUDENT):
            with contextlib.suppress(EntryNotFoundError, LocalEntryNotFoundError):  # most models' codec ships
                hf_hub_download(name, file, **options)
        return weights
    except (HFValidationError, HfHubHTTPError, LocalEntryNotFoundError, OSError) as error:
        reason = first_line(error)[:120]
        raise UserError(
            f"{name}: no such file, and not to be had from the Hugging Face hub ({reason}); {fix}"
        ) from error


def copy_student(source: Path | None, folder: Path) -> None:
    """Copy the student in the folder `source`, if there is one, beside a copy of its model in `folder`.

    Raises:
        UserError: the folder has the student of another model.
    """
    path, target = (source or folder) / STUDENT, folder / STUDENT
    if source is None or not path.is_file() or os.path.realpath(path) == os.path.realpath(target):
        return
    if target.exists() and target.read_bytes() != path.read_bytes():
        raise UserError(f"{target}: is another student than the model's; choose another folder")
    with files.atomic(target) as temporary:
        shutil.copyfile(path, temporary)


def push(save: Callable[[Path], None], name: str, card: str, **options: Any) -> str:
    """Upload what `save` writes to a folder, and its page, to the repository `name`; return its address.

    card: the page, Markdown. options: of `ModelHubMixin.push_to_hub` (private, token ...). Raises errors of
    the hub's client.
    """
    from huggingface_hub import ModelHubMixin

    class Upload(ModelHubMixin, library_name="msdae", tags=["audio", "music"]):
        def _save_pretrained(self, save_directory: Path) -> None:
            save(save_directory)
            (save_directory / CARD).write_text(card, "utf-8")

    return Upload().push_to_hub(name, **options)
