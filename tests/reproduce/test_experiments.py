"""The papers' experiments, made small: what they show, and what they write."""

import numpy as np
import pytest
import tifffile

from napari_instseg.core.errors import InputError
from napari_instseg.core.events import Progress, Result
from napari_instseg.data.simulate import KINDS, simulate
from napari_instseg.reproduce import EXPERIMENTS, get_experiment

TINY = 0.004
"""Two images and a few steps: everything is run, nothing is learnt."""


def outcome(name, scale, data=None, seed=0):
    events = list(get_experiment(name).run(quick=True, seed=seed, scale=scale, data=data))
    progress = [event for event in events if isinstance(event, Progress)]
    assert progress[-1].done == progress[-1].total
    steps = [event.done for event in progress if event.what == "steps"]
    assert steps == sorted(steps)
    (result,) = [event for event in events if isinstance(event, Result)]
    assert events[-1] is result
    report = result.value
    assert report.name == name
    assert report.command.startswith(f"instseg reproduce {name} --quick --seed {seed}")
    assert ("--data" in report.command) == (data is not None)
    return report


def shares(report, *columns):
    """The numbers of these columns, each of which must be a share."""
    values = [row[column] for row in report.rows for column in columns]
    assert all(0 <= value <= 1 for value in values)
    return values


def draw(kind, n, **values):
    return list(simulate(kind, n=n, seed=3, params=KINDS[kind].params(**values)))


@pytest.fixture
def nuclei(tmp_path):
    """A folder of annotated images, two of them held out."""
    for folder in ("images", "labels"):
        (tmp_path / folder).mkdir()
    for index, scene in enumerate(draw("nuclei", 5, height=128, width=144, count=8)):
        tifffile.imwrite(tmp_path / "images" / f"n{index}.tif", scene.image)
        tifffile.imwrite(tmp_path / "labels" / f"n{index}.tif", scene.labels.astype(np.uint16))
    (tmp_path / "val.txt").write_text("n1\nn3\n")
    return tmp_path


@pytest.fixture
def plants(tmp_path):
    """A folder as the CVPPP challenge has it."""
    from PIL import Image

    for index, scene in enumerate(draw("rosettes", 5, height=160, width=144, count=6)):
        Image.fromarray(scene.image).convert("RGBA").save(tmp_path / f"plant{index:03}_rgb.png")
        Image.fromarray(scene.labels.astype(np.uint8), mode=None).save(tmp_path / f"plant{index:03}_label.png")
    return tmp_path


def test_identical_dots_are_told_apart_by_the_semi_convolutional_embedding_only(tmp_path):
    report = outcome("dots", 0.4)
    scores = {row["embedding"]: row for row in report.rows}
    assert scores["plain"]["AP 0.5"] < 0.5
    assert scores["plain"]["SBD"] < 0.5
    assert scores["semi-convolutional"]["AP 0.5"] > 0.95
    assert scores["semi-convolutional"]["SBD"] > 0.95
    table, words, picture = report.write(tmp_path / "made")
    assert table.read_text().splitlines()[0] == "embedding,AP 0.5,SBD,adjusted Rand index,paper (in words)"
    assert "almost perfect" in words.read_text()
    assert "What differs from the paper" in words.read_text()
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_a_two_dimensional_embedding_converges():
    report = outcome("convergence", 0.5)
    assert [row["step"] for row in report.rows] == [0, 2, 4, 8, 16, 32]
    first, last = report.rows[0], report.rows[-1]
    assert last["nearest to own mean"] > first["nearest to own mean"] + 0.2
    assert last["variance term"] + last["distance term"] < first["variance term"] + first["distance term"]


def test_sticks_compare_an_embedding_with_mask_rcnn():
    report = outcome("sticks", TINY)
    assert [row["method"] for row in report.rows] == ["discriminative", "Mask R-CNN"]
    shares(report, "COCO AP", "COCO AP50", "COCO AP75", "TP/(TP+FP+FN) at 0.5", "SBD")
    assert report.rows[0]["steps"] > report.rows[1]["steps"]


def test_leaves_have_the_nine_rows_of_the_table(tmp_path):
    report = outcome("leaves", TINY)
    names = [row["post-processing"] for row in report.rows]
    assert len(names) == len(set(names)) == 9
    shares(report, "SBD", "FBD")
    quoted = {row["post-processing"]: row for row in report.rows}
    assert quoted["HDBSCAN + ClusterNet"]["paper: SBD"] == 0.8232
    assert quoted["true means + ClusterNet"]["paper: |DiC|"] == 0
    # without a ghost nor a miss, as many segments come out as true leaves went in, or fewer
    assert quoted["true means + ClusterNet"]["|DiC|"] <= 10


def test_leaves_run_on_a_folder_of_the_challenge(plants):
    report = outcome("leaves", TINY, plants)
    assert "images of the folder" in report.differs
    assert len(report.rows) == 9


def test_a_folder_that_is_not_of_the_challenge_is_told_in_words(tmp_path):
    with pytest.raises(InputError, match="no file named \\*_rgb.png"):
        outcome("leaves", TINY, tmp_path)


def test_colors_try_each_pair_of_margin_and_halo_weight():
    report = outcome("colors", TINY)
    pairs = {(row["halo weight (mu)"], row["margin, px"]) for row in report.rows}
    assert len(pairs) == len(report.rows) == 4
    shares(report, "SBD")


def test_bandwidth_scores_are_best_at_the_best_value():
    report = outcome("bandwidth", 0.3)
    shares(report.__class__(**{**vars(report), "rows": report.rows[:-1]}), "SBD")
    assert all(row["decoding, CPU s"] > 0 for row in report.rows)
    for parameter in ("bandwidth", "min_size"):
        swept = {row["times best"]: row for row in report.rows if row["parameter"] == parameter and row["SBD"] != ""}
        assert set(swept) == {0.8, 1.0, 1.2}
        assert swept[0.8]["value"] <= swept[1.0]["value"] <= swept[1.2]["value"]
    # the bundled samples are what the models were made for
    assert max(row["SBD"] for row in report.rows[:-1]) > 0.6


def test_bandwidth_scores_the_images_that_a_folder_holds_out(nuclei):
    report = outcome("bandwidth", 0.2, nuclei)
    assert report.differs.startswith("2 images of the folder")


def test_seeds_sweep_alpha_and_their_number(nuclei):
    report = outcome("seeds", TINY, nuclei)
    shares(report, "AP^r 0.5", "AP^r 0.6", "AP^r 0.7", "AR 0.5")
    swept = {row["swept"]: row for row in report.rows}
    assert swept["alpha"]["seeds"] == 100
    assert swept["number of seeds"]["alpha"] == 0.2
    by_alpha = {row["alpha"]: row["paper: mAP^r 0.5"] for row in report.rows if row["swept"] == "alpha"}
    assert by_alpha == {0.1: 0.614, 0.4: 0.616}


def test_tradeoff_larger_networks_take_more(nuclei):
    report = outcome("tradeoff", TINY)
    ours = [row for row in report.rows if row["source"] == "here"]
    assert len(ours) == 4
    assert len(report.rows) == 4 + 11
    small, large = ours[0], ours[-1]
    for column in ("columns, px", "10^6 parameters", "memory, GB"):
        assert small[column] < large[column]
    assert small["images per CPU s"] > 0
    shares(report, "AP", "AP, true foreground")


def test_worms_are_scored_by_their_whole_masks(tmp_path):
    for folder in ("images", "labels", "masks_overlapping"):
        (tmp_path / folder).mkdir()
    for index, scene in enumerate(draw("worms", 4, height=160, width=192, count=4, look="binary")):
        tifffile.imwrite(tmp_path / "images" / f"{index}.tif", scene.image)
        tifffile.imwrite(tmp_path / "labels" / f"{index}.tif", scene.labels.astype(np.uint16))
        tifffile.imwrite(
            tmp_path / "masks_overlapping" / f"{index}.tif", scene.masks.astype(np.uint8), photometric="minisblack"
        )
    (tmp_path / "val.txt").write_text("0\n2\n")
    report = outcome("worms", TINY, tmp_path)
    assert [row["method"] for row in report.rows] == ["Mask R-CNN", "semi-convolutional Mask R-CNN", "semiconv"]
    shares(report, "COCO AP", "COCO AP50", "COCO AP75", "TP/(TP+FP+FN) at 0.5")
    (tmp_path / "masks_overlapping" / "2.tif").unlink()
    with pytest.raises(InputError, match=r"2\.tif"):
        outcome("worms", TINY, tmp_path)


def test_every_experiment_says_what_a_full_run_takes():
    assert set(EXPERIMENTS) == {
        *("dots", "sticks", "convergence", "worms", "leaves", "bandwidth", "seeds", "tradeoff", "colors")
    }
    assert all(experiment.full for experiment in EXPERIMENTS.values())


def test_an_experiment_that_makes_its_own_images_takes_no_folder(tmp_path):
    with pytest.raises(InputError, match="'dots' makes its own images.*worms, leaves"):
        get_experiment("dots").run(data=tmp_path)


def test_an_unknown_experiment_is_told_in_words():
    with pytest.raises(InputError, match=f"no experiment 'none'.*{', '.join(EXPERIMENTS)}"):
        get_experiment("none")


@pytest.mark.parametrize("name", ["semiconv_rcnn-nuclei", "semiconv-shapes"])
def test_only_the_trunk_is_begun_with(name):
    """What an experiment compares must not be trained before: no weight of a head, box, mask or embedding."""
    from napari_instseg.inference.model import load_model
    from napari_instseg.reproduce.learning import _trunk

    model = load_model(name)
    trunk = {key.removeprefix("network.") for key in _trunk(model)}
    own = {key.removeprefix("network.") for key in model.network.state_dict()}
    left = {key.split(".")[0] for key in own - trunk}
    assert left == ({"rpn", "roi_heads", "embed", "log_sigma"} if "rcnn" in name else {"head", "log_sigma"})
    assert trunk < own


def test_the_oracle_of_k_means_merges_nothing():
    from napari_instseg.inference.prediction import Prediction
    from napari_instseg.reproduce.bandwidth import _k_means

    embedding = np.zeros((2, 16, 32), np.float32)
    embedding[:, :, 16:] = 1.0
    outputs = {"embedding": embedding, "foreground": np.ones((16, 32), np.float32)}
    prediction = Prediction("discriminative", outputs, {"merge_alike": 5.0, "min_size": 1})
    assert prediction.decode().n_objects == 1
    assert _k_means(prediction, 2).n_objects == 2
