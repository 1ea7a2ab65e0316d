"""The manifest of the course: what it says is read, what is wrong in it is named."""

import pytest

from labkit.course.manifest import read_course
from labkit.course.student import Student
from labkit.errors import CannotRun
from labkit.home import Home
from tests.course.example import MANIFEST, change, write_example


@pytest.fixture
def home(tmp_path) -> Home:
    return write_example(tmp_path)


def test_an_entry_is_read_with_its_paths(home):
    (lab,) = read_course(home).labs
    assert (lab.number, lab.title, lab.files, lab.ports) == ("00", "Say hello", ("hello.txt",), (300, 309))
    assert lab.numbers["TIMES"] == [2, 5]
    assert lab.check_file == home.root / "labs" / "00-say-hello" / "check_say_hello.py"
    assert lab.check_file.is_file()


@pytest.mark.parametrize("asked", ["0", "00", "00-say-hello"])
def test_a_lab_is_found_by_number_or_folder(home, asked):
    assert read_course(home).lab(asked).slug == "00-say-hello"


@pytest.mark.parametrize("asked", ["1", "00-say-goodbye", "hello"])
def test_a_lab_that_there_is_not_is_answered_with_those_that_there_are(home, asked):
    with pytest.raises(CannotRun, match=r"there is no lab .*; there are: 00; next: lab progress"):
        read_course(home).lab(asked)


def test_labs_follow_one_another(home):
    file = home.root / "labs" / "labs.toml"
    file.write_text(MANIFEST + MANIFEST.replace("00-say-hello", "02-say-goodbye"), encoding="utf-8")
    course = read_course(home)
    assert course.after(course.lab("0")) == course.lab("2")
    assert course.after(course.lab("2")) is None


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("minutes = 5", "", "00-say-hello: .*missing .*'minutes'"),
        ('slug = "00-say-hello"\n', "", "an entry: .*missing .*'slug'"),
        ("memory = 300", "memory = 300\ncolour = 1", "00-say-hello: unknown field 'colour'"),
        ('profile = "core"', 'profile = "tea"', "00-say-hello: no profile 'tea'; there are: core, stream"),
        ("minutes = 5", "minutes = ", "cannot be read"),
    ],
)
def test_what_is_wrong_is_named_with_the_entry(home, old, new, told):
    change(home.root / "labs" / "labs.toml", old, new)
    with pytest.raises(CannotRun, match=told):
        read_course(home)


def test_a_manifest_without_labs_is_told(home):
    (home.root / "labs" / "labs.toml").write_text("[[labs]]\n", encoding="utf-8")
    with pytest.raises(CannotRun, match=r"cannot be read \('lab'\)"):
        read_course(home)


def test_a_missing_manifest_says_how_to_get_it_back(tmp_path):
    with pytest.raises(CannotRun, match=r"next: git checkout labs/labs.toml"):
        read_course(Home(tmp_path, tmp_path))


def test_numbers_belong_to_the_name_and_stay_in_their_range(home):
    (lab,) = read_course(home).labs
    drawn = {name: Student(name).numbers(lab)["TIMES"] for name in map(str, range(200))}
    assert drawn == {name: Student(name).numbers(lab)["TIMES"] for name in drawn}
    assert set(drawn.values()) == {2, 3, 4, 5}
