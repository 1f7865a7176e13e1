from msdae.data import splits


def test_names_are_split_the_same_whatever_their_order_and_bytes():
    names = [f"{index}.wav" for index in range(40)] + ["\udcff.wav"]  # the last is no UTF-8 on disk
    split = splits.by_name(names)
    assert split == splits.by_name(reversed(names))
    assert [list(split.values()).count(name) for name in ("train", "valid", "test")] == [37, 2, 2]
