from dataclasses import dataclass, field

import pytest

from msdae import config
from msdae.errors import UserError


@dataclass(frozen=True)
class Inner:
    width: int = 1
    rate: float = 0.5


@dataclass(frozen=True)
class Outer:
    name: str = "a"
    on: bool = False
    sizes: tuple[int, ...] = (1, 2)
    inner: Inner = field(default_factory=Inner)


def test_a_file_and_overrides_hold_only_differences(tmp_path):
    path = tmp_path / "a.yaml"
    path.write_text("sizes: [3]\ninner: {rate: 1e-3}\n")
    loaded = config.load(Outer, path, ["inner.width=7", "on=true"])
    assert loaded == Outer(on=True, sizes=(3,), inner=Inner(7, 1e-3))
    assert config.from_mapping(Outer, config.to_mapping(loaded)) == loaded


def test_a_part_of_a_file_that_holds_more(tmp_path):
    path = tmp_path / "a.yaml"
    path.write_text("more: 3\npart: {sizes: [3], inner: {width: 2}}\n")
    for overrides in (["on=true", "inner.rate=1"], ["part.on=true", "part.inner.rate=1"]):
        assert config.load(Outer, path, overrides, "part") == Outer("a", True, (3,), Inner(2, 1.0))
    path.write_text("sizes: [3]\n")
    assert config.load(Outer, path, [], "part") == Outer(sizes=(3,))
    with pytest.raises(UserError, match="unknown key 'part'"):
        config.load(Outer, path, ["part=3"], "part")


def test_a_setting_beside_the_part_is_no_setting(tmp_path):
    """Regression: what built on a file with a part, and said more beside that, was left out in silence."""
    (tmp_path / "base.yaml").write_text("more: 3\npart: {sizes: [3]}\n")
    path = tmp_path / "mine.yaml"
    path.write_text("base: base.yaml\nsizes: [4]\n")
    with pytest.raises(UserError, match=r"mine.yaml: 'sizes' stands beside 'part', not in it; move it there"):
        config.load(Outer, path, [], "part")
    path.write_text("base: base.yaml\npart: {sizes: [4]}\n")
    assert config.load(Outer, path, [], "part") == Outer(sizes=(4,))


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("nmae=b", "did you mean 'name'"),
        ("inner.widht=2", "did you mean 'width'"),
        ("inner.xyz=2", "unknown key 'xyz'; known are "),
        ("on=1", "expected bool"),
        ("sizes=3", "expected a list"),
        ("inner=3", "expected keys"),
        ("name", "key=value"),
        ("=3", "--set =3: no key with a value; write it as key=value"),
        ("inner..rate=1", "key=value"),
        ("{}=1", "key=value"),
        ("sizes=[1", "no YAML"),
        ("sizes=!!python/name:os.system", "no YAML"),
        ("sizes=" + "[" * 10_000, "no YAML"),
        ("inner=", "expected keys"),
        ("inner={3: 4}", "unknown key '3'"),
        ("inner={width: [1]}", "width: expected int"),
        ("name.x=1", "name: expected str"),
        ("inner.rate=1" + "0" * 400, "rate: expected float"),
        ("inner.width=0x" + "f" * 6000, "expected int, got a number of thousands of digits"),
    ],
)
def test_a_wrong_override_is_named(override, said):
    with pytest.raises(UserError, match=said):
        config.load(Outer, None, [override])


def test_a_value_that_is_nested_changes_what_it_names(tmp_path):
    (tmp_path / "a.yaml").write_text("inner: {width: 3}\n")
    assert config.load(Outer, tmp_path / "a.yaml", ["inner={rate: 2}"]).inner == Inner(3, 2.0)


def test_what_is_missing_is_named():
    @dataclass(frozen=True)
    class Needy:
        name: str

    with pytest.raises(UserError, match="'name' is missing; add it"):
        config.from_mapping(Needy, {})


@pytest.mark.parametrize("name", ["loop.yaml", "x" * 300])
def test_names_that_cannot_be_opened_are_named(tmp_path, name):
    (tmp_path / "loop.yaml").symlink_to("loop.yaml")
    with pytest.raises(UserError, match=f"{name}: "):
        config.load(Outer, tmp_path / name)


def test_an_absent_file_is_named(tmp_path):
    with pytest.raises(UserError, match="absent.yaml"):
        config.load(Outer, tmp_path / "absent.yaml")


def test_a_file_builds_on_another_one_key_by_key(tmp_path):
    (tmp_path / "a.yaml").write_text("name: b\ninner: {width: 3, rate: 0.1}\n")
    (tmp_path / "b.yaml").write_text("base: a.yaml\ninner: {rate: 0.2}\n")
    (tmp_path / "c.yaml").write_text("base: b.yaml\n'on': true\n")
    assert config.load(Outer, tmp_path / "c.yaml") == Outer("b", True, inner=Inner(3, 0.2))


@pytest.mark.parametrize(
    ("base", "said"), [("a.yaml", "builds on itself"), ("b.yaml", "b.yaml: no such file"), ("3", "got 3")]
)
def test_a_base_that_cannot_be_is_named(tmp_path, base, said):
    (tmp_path / "a.yaml").write_text(f"base: {base}\n")
    with pytest.raises(UserError, match=said):
        config.load(Outer, tmp_path / "a.yaml")
