"""Which dashboards are shown."""

import pytest

from labkit.dashboards.serving import place
from labkit.errors import CannotRun
from labkit.home import Home, find_home

ENVIRONMENT = {"LAB_PROMETHEUS_URL": "http://127.0.0.1:9"}


def test_a_folder_of_ones_own_stands_for_those_of_the_lab(tmp_path):
    home = Home(find_home().root, tmp_path / "lab")
    (tmp_path / "shop.json").write_text("{}")
    assert place(home, ENVIRONMENT).folder == home.root / "grafana" / "dashboards"
    assert place(home, ENVIRONMENT, tmp_path).folder == tmp_path


def test_a_folder_without_dashboards_is_told(tmp_path):
    home = Home(find_home().root, tmp_path / "lab")
    with pytest.raises(CannotRun, match=r"no dashboard in .*; next: a folder of files UID.json"):
        place(home, ENVIRONMENT, tmp_path)
