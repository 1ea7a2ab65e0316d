"""`python -m labkit.course`: writes the README's table of labs from the manifest."""

from labkit.course.manifest import read_course
from labkit.course.tables import with_table
from labkit.home import find_home

if __name__ == "__main__":
    home = find_home()
    readme = home.root / "README.md"
    readme.write_text(with_table(readme.read_text(encoding="utf-8"), read_course(home)), encoding="utf-8")
