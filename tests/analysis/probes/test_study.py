import csv
import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from msdae.analysis import probes as probing
from msdae.analysis.probes import fitting, inputs, representations, study
from msdae.commands import run_probes
from msdae.errors import UserError
from msdae.models.hdae import HDAE
from msdae.models.msdae import MSDAE


def test_the_random_control_keeps_sizes_and_changes_weights(checkpoint):
    model = MSDAE.from_pretrained(checkpoint)
    mine = model.encoders.state_dict()
    other, again = (representations.untrained(model).encoders.state_dict() for _ in range(2))
    assert {name: w.shape for name, w in mine.items()} == {name: w.shape for name, w in other.items()}
    assert any(not torch.equal(mine[name], other[name]) for name in mine)
    assert all(torch.equal(other[name], again[name]) for name in other)


def test_codes_before_and_after_the_sum_are_the_models_own(data, checkpoint):
    model = MSDAE.from_pretrained(checkpoint)
    cache = probing.open_split(data).test
    found = representations.of_model(cache, np.arange(40), model)
    batch = cache.batch(range(33, 40))
    with torch.no_grad():
        codes = model.encode(batch.z, batch.mel)
        summed = model.condition(codes)
    assert set(found) == {"h1", "h2", "h3", "h~2", "h~3", "random h1", "random h2", "random h3"}
    assert torch.allclose(found["h2"][33:], codes[1], atol=1e-5)
    assert torch.allclose(found["h~3"][33:], summed[2], atol=1e-5)
    of_data = representations.of_data(cache, np.arange(40))
    assert torch.equal(of_data["codec"][33:], batch.z) and of_data["mel"].shape == (40, 128, 32)
    assert torch.allclose(of_data["mel"].mean(-1)[33:], batch.mel.mean(-1), atol=1e-5)


def test_the_command_line_writes_the_reports(data, checkpoint, tmp_path, capsys):
    command = ["--data", str(data), "--checkpoint", f"tiny={checkpoint}", "--tasks", "pitch", "melody"]
    run_probes.main([*command, "--out", str(tmp_path / "out")])
    printed = capsys.readouterr().out
    rows = list(csv.DictReader((tmp_path / "out" / "probes.csv").open()))
    document = json.loads((tmp_path / "out" / "probes.json").read_text())
    assert rows == [{key: str(value) for key, value in row.items()} for row in document["results"]]
    found = {(row["code"], row["clips"], row["task"]): row for row in rows}
    codes = {"h1", "h2", "h3", "h~2", "h~3", "random h1", "random h2", "random h3", "codec", "mel"}
    asked = {("notes", "pitch"), ("melodies", "melody")}
    assert found.keys() == {(code, *task) for code in codes for task in asked}
    assert float(found["mel", "notes", "pitch"]["score"]) == 1.0
    assert float(found["codec", "notes", "pitch"]["score"]) < 0.7  # the latent was not told
    told, blind = (float(found[code, "melodies", "melody"]["loss"]) for code in ("mel", "codec"))
    assert told < 0.8 * blind
    for row in rows:
        assert float(row["low"]) <= float(row["score"]) <= float(row["high"])
        assert row["metric"] == ("F1" if row["task"] == "melody" else "accuracy")
    assert document["separation"][0]["checkpoint"] == "tiny" and document["checkpoints"]["tiny"]["hash"]

    titles = [table["title"] for table in json.loads((tmp_path / "out" / "tables.json").read_text())]
    assert titles[0].startswith("Table 2") and titles[1].startswith("Table 3")
    assert all(title in printed for title in titles)
    assert "| MSDAE, thesis " in (tmp_path / "out" / "tables.md").read_text()


def test_a_class_that_was_not_fitted_on_is_left_out_and_counted(data):
    split = probing.open_split(data)
    stranger = next(i for i, clip in enumerate(split.test.clips) if clip["dataset"] == "nsynth")
    split.test.clips[stranger]["family"] = "vocal"
    notes = next(q for q in study.ask("known", split, "instrument") if q.clips == "notes")
    assert notes.left_out == 1 and stranger not in notes.test_rows and notes.outputs == 3


def test_where_all_clips_have_one_class_nothing_is_asked(data, checkpoint, monkeypatch):
    """What the probes answer does not matter here: they are fitted for one epoch."""
    monkeypatch.setattr(
        fitting,
        "SCHEDULES",
        {kind: replace(schedule, epochs=1) for kind, schedule in fitting.SCHEDULES.items()},
    )
    split = probing.open_split(data)
    for clip in (*split.fit.clips, *split.test.clips):
        clip["family"] = "reed"
    assert not study.ask("known", split, "instrument") and study.ask("known", split, "melody")
    model = {"tiny": MSDAE.from_pretrained(checkpoint)}
    assert "instrument" not in {result.task for result in probing.run(model, {"known": split})}
    with pytest.raises(UserError, match="task 'instrument': no clips have labels that differ"):
        probing.run(model, {"known": split}, ["instrument"])


def test_hdae_has_no_codes_after_a_sum(data, config):
    hdae = HDAE(replace(config, encoder_widths=(8, 8, 8), inject=(3, 2, 1), widths=(32, 32, 32, 32))).eval()
    cache = probing.open_split(data).test
    found = representations.of_model(cache, np.arange(3), hdae)
    assert set(found) == {"h1", "h2", "h3", "random h1", "random h2", "random h3"}


def test_a_cache_of_another_codec_and_labels_that_are_not_there_are_refused(data, checkpoint, config):
    other = replace(config, codec=replace(config.codec, fingerprint="0" * 64))
    splits = {"known": probing.open_split(data)}
    with pytest.raises(UserError, match="codec"):
        probing.run({"tiny": MSDAE(other)}, splits, ["pitch"])
    for clip in splits["known"].fit.clips:
        clip.pop("pitch", None)
    with pytest.raises(UserError, match="task 'pitch': no clips have labels that differ"):
        probing.run({"tiny": MSDAE.from_pretrained(checkpoint)}, splits, ["pitch"])
    for clip in (*splits["known"].fit.clips, *splits["known"].test.clips):
        clip["kind"] = "noise"
    needed = "known: no clips have labels that differ; give clips of the kind 'note' with .* 'melody' with "
    with pytest.raises(UserError, match=needed):
        probing.run({"tiny": MSDAE.from_pretrained(checkpoint)}, splits)


def test_checkpoints_and_data_by_name(checkpoint):
    named = inputs.models({"tiny": str(checkpoint), "embedded": "embedded"}, "msdae", torch.device("cpu"))
    assert list(named) == ["tiny", "embedded"]
    with pytest.raises(UserError, match="no checkpoint is of that kind"):
        inputs.models({"tiny": str(checkpoint)}, "hdae", torch.device("cpu"))
    assert list(inputs.folders(["x/synth", "y/synth", "z/real"])) == ["x/synth", "y/synth", "real"]


def test_no_checkpoint_has_the_name_that_stands_for_all(tmp_path):
    """Regression: the results of any.safetensors were taken for those that no model has a part in."""
    with pytest.raises(UserError, match="'any' cannot be its name"):
        run_probes.main(["--checkpoint", "any.safetensors", "--out", str(tmp_path)])
