"""What an experiment writes."""

from pathlib import Path

from matplotlib.figure import Figure

from napari_instseg.reproduce.report import Report, command_line


def report(rows):
    return Report("leaves", "Leaves", rows, "all", Figure(), "instseg reproduce leaves --seed 0")


def test_a_bar_in_a_name_does_not_begin_another_column():
    lines = report([{"|DiC|": 0.5, "SBD": 0.25}]).markdown().splitlines()
    assert lines[2:5] == ["| \\|DiC\\| | SBD |", "| --- | --- |", "| 0.500 | 0.250 |"]


def test_what_the_paper_does_not_tell_is_empty_in_both_tables():
    both = report([{"method": "a", "paper: SBD": 0.8}, {"method": "b", "paper: SBD": ""}])
    assert both.csv() == "method,paper: SBD\na,0.8\nb,\n"
    assert "| b |  |" in both.markdown()


def test_the_command_says_all_that_was_chosen_but_not_the_users_folder():
    assert command_line("dots", quick=False, seed=0, scale=1.0, data=None) == "instseg reproduce dots --seed 0"
    full = command_line("worms", quick=True, seed=3, scale=0.5, data=Path("mine"))
    assert full == "instseg reproduce worms --quick --seed 3 --scale 0.5 --data FOLDER"
