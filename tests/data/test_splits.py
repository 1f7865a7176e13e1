from msdae.data import splits


def test_names_are_split_the_same_whatever_their_order_and_bytes():
    names = [f"{index}.wav" for index in range(40)] + ["\udcff.wav"]  # the last is no UTF-8 on disk
    split = splits.by_name(names)
    assert split == splits.by_name(reversed(names))
    by_name = [split[name] for name in sorted(names)]
    assert by_name[:4] != ["valid", "valid", "test", "test"]  # of takes that are numbered, not the first
    assert [list(split.values()).count(name) for name in ("train", "valid", "test")] == [37, 2, 2]
