"""AP and average recall against pycocotools and precision-recall curves drawn by hand, masks overlapping or not."""

import numpy as np
import pytest
from pycocotools import mask as rle
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from napari_instseg.core.errors import InputError
from napari_instseg.metrics import ap_r, average_recall, coco_ap, detections

from .conftest import disturb, draw_boxes, flatten


def scored_images(seed, number=4, objects=9, classes=2):
    """Images as dictionaries for `detections`; scores are coarse, so that many are equal."""
    rng = np.random.default_rng(seed)
    images = []
    for _ in range(number):
        truth = draw_boxes(rng, (40, 50), objects)
        prediction = np.concatenate([disturb(rng, truth), disturb(rng, truth)])
        images.append(
            {
                "truth": truth,
                "prediction": prediction,
                "scores": rng.integers(1, 12, len(prediction)) / 12,
                "true_classes": rng.integers(1, classes + 1, len(truth)),
                "classes": rng.integers(1, classes + 1, len(prediction)),
            }
        )
    return images


def pycocotools_stats(images, max_detections=(1, 10, 100)):
    """AP, AP50, AP75 and AR for each number of detections, by pycocotools."""

    def encode(mask):
        return rle.encode(np.asfortranarray(mask.astype(np.uint8)))

    truth, found = [], []
    for image_id, image in enumerate(images, start=1):
        for mask, category in zip(image["truth"], image["true_classes"], strict=True):
            truth.append({"image_id": image_id, "category_id": int(category), "segmentation": encode(mask)})
            truth[-1] |= {"id": len(truth), "iscrowd": 0, "area": int(mask.sum())}
        for mask, category, score in zip(image["prediction"], image["classes"], image["scores"], strict=True):
            found.append({"image_id": image_id, "category_id": int(category), "segmentation": encode(mask)})
            found[-1] |= {"score": float(score)}
    coco = COCO()
    categories = sorted({a["category_id"] for a in truth + found})
    coco.dataset = {
        "info": {},
        "images": [{"id": i, "height": 40, "width": 50} for i in range(1, len(images) + 1)],
        "categories": [{"id": c} for c in categories],
        "annotations": truth,
    }
    coco.createIndex()
    evaluation = COCOeval(coco, coco.loadRes(found), "segm")
    evaluation.params.maxDets = list(max_detections)
    evaluation.evaluate()
    evaluation.accumulate()
    precision, recall = evaluation.eval["precision"][:, :, :, 0, -1], evaluation.eval["recall"][:, :, 0, :]

    def mean(values):
        return values[values > -1].mean()

    return mean(precision), mean(precision[0]), mean(precision[5]), [mean(recall[:, :, i]) for i in range(3)]


@pytest.mark.parametrize("seed", range(6))
def test_overlapping_masks_with_classes_score_as_in_pycocotools(seed):
    images = scored_images(seed)
    scores = coco_ap([detections(**image) for image in images])
    ap, ap50, ap75, _ = pycocotools_stats(images)
    assert scores == pytest.approx({"AP": ap, "AP50": ap50, "AP75": ap75}, abs=1e-12)
    assert 0.01 < ap < ap50 < 0.9


def test_among_equally_good_true_masks_the_last_is_taken_as_in_pycocotools():
    # the first prediction fits both true masks alike; only when it takes the last is the first left for the second
    truth, prediction = np.zeros((2, 2, 40, 50), dtype=bool)
    truth[0, 0, 0:6] = truth[1, 0, 4:10] = prediction[0, 0, 2:8] = prediction[1, 0, 0:6] = True
    image = {"truth": truth, "prediction": prediction, "scores": [0.9, 0.8], "true_classes": [1, 1], "classes": [1, 1]}
    found = detections(**image)
    assert found.iou[0, 0] == found.iou[0, 1] == 0.5
    assert coco_ap([found])["AP50"] == pycocotools_stats([image])[1] == 1


def test_a_limit_of_detections_counts_per_image_and_class():
    images = scored_images(0)
    expected = pycocotools_stats(images, max_detections=(1, 2, 3))[0]
    assert coco_ap([detections(**image) for image in images], max_detections=3)["AP"] == pytest.approx(expected)
    assert coco_ap([detections(**image) for image in images], max_detections=None)["AP"] > expected


@pytest.mark.parametrize("seed", range(3))
def test_average_recall_is_that_of_pycocotools(seed):
    images = scored_images(seed, classes=1)  # among equal scores pycocotools takes the lower class first
    recall = average_recall([detections(**image) for image in images], numbers=(2, 5, 100))
    expected = pycocotools_stats(images, max_detections=(2, 5, 100))[3]
    assert list(recall) == [2, 5, 100]
    assert list(recall.values()) == pytest.approx(expected)


def test_average_recall_does_not_look_at_classes():
    images = scored_images(0)
    blind = [{**image, "classes": None, "true_classes": None} for image in images]
    assert average_recall([detections(**i) for i in images]) == average_recall([detections(**i) for i in blind])
    assert coco_ap([detections(**i) for i in images]) != coco_ap([detections(**i) for i in blind])


def test_recall_against_number_of_proposals_by_hand():
    truth = np.array([[1, 1, 0, 2, 2, 0, 3, 3]])
    proposals = np.array([[1, 1, 0, 2, 4, 0, 0, 0]])
    found = detections(truth, proposals, [0.9, 0.8, 0.1])
    assert average_recall([found], (1, 2, 3), thresholds=(0.5,)) == pytest.approx({1: 1 / 3, 2: 2 / 3, 3: 2 / 3})
    # IoU 1 passes ten thresholds, IoU 1/2 the first
    assert average_recall([found], (2,)) == pytest.approx({2: (10 + 1) / 10 / 3})


def box(start, stop):
    mask = np.zeros((1, 20), dtype=bool)
    mask[:, start:stop] = True
    return mask


def test_ap_r_is_the_area_under_a_curve_drawn_by_hand():
    # by falling score: right, wrong, right, wrong; two of four true masks found
    truth = np.array([box(0, 2), box(4, 6), box(8, 10), box(12, 14)])
    prediction = np.array([box(18, 20), box(0, 2), box(16, 18), box(4, 6)])
    found = detections(truth, prediction, scores=[0.8, 0.9, 0.1, 0.5])
    assert ap_r([found]) == pytest.approx(1 / 4 * 1 + 1 / 4 * 2 / 3)
    # COCO reads the same curve at recalls 0, .01, ... 1
    assert coco_ap([found])["AP50"] == pytest.approx((26 * 1 + 25 * 2 / 3) / 101)


def test_ap_r_counts_the_second_find_of_an_object_as_wrong():
    # both predictions fit the first true mask best; COCO passes the second on to the other true mask, AP^r does not
    truth = np.array([box(0, 10), box(0, 8)])
    prediction = np.array([box(0, 10), box(0, 10)])
    found = detections(truth, prediction, scores=[0.9, 0.8])
    assert ap_r([found], 0.5) == pytest.approx(1 / 2)
    assert coco_ap([found])["AP50"] == 1
    assert ap_r([found], 1.0) == pytest.approx(1 / 2)


def test_ap_r_by_a_slow_twin_over_classes_and_images():
    images = scored_images(3)
    for threshold in (0.5, 0.6, 0.7):
        by_class = []
        for class_id in (1, 2):
            ranked = sorted(
                (-score, i, j)
                for i, image in enumerate(images)
                for j, score in enumerate(image["scores"])
                if image["classes"][j] == class_id
            )
            truths = [image["truth"][image["true_classes"] == class_id] for image in images]
            seen, right = set(), []
            for _, i, j in ranked:
                mask = images[i]["prediction"][j]
                iou = [(mask & true).sum() / (mask | true).sum() for true in truths[i]]
                best = len(iou) - 1 - int(np.argmax(iou[::-1]))
                right.append(iou[best] >= threshold and (i, best) not in seen)
                if right[-1]:
                    seen.add((i, best))
            total = sum(map(len, truths))
            precision = [sum(right[: k + 1]) / (k + 1) for k in range(len(right))]
            by_class.append(sum(max(precision[k:]) / total for k in range(len(right)) if right[k]))
        assert ap_r([detections(**image) for image in images], threshold) == pytest.approx(np.mean(by_class))


def test_label_images_and_stacks_say_the_same():
    rng = np.random.default_rng(0)
    truth = flatten(draw_boxes(rng, (10, 12, 14), 6))
    prediction = flatten(draw_boxes(rng, (10, 12, 14), 6)) * 3
    scores = rng.random(len(np.unique(prediction)) - 1)
    stacks = [np.array([labels == i for i in np.unique(labels) if i]) for labels in (truth, prediction)]
    from_labels, from_stacks = detections(truth, prediction, scores), detections(*stacks, scores)
    np.testing.assert_array_equal(from_labels.iou, from_stacks.iou)
    np.testing.assert_array_equal(from_labels.scores, np.sort(scores)[::-1])
    assert from_labels.iou.max() > 0


def test_unknown_pixels_are_taken_out_of_all_masks():
    truth = np.array([[1, 1, -1, -1, -1, 0]])
    prediction = np.array([[1, 1, 1, 2, 2, 3]])
    found = detections(truth, prediction, scores=[0.5, 0.9, 0.7])
    assert found.scores.tolist() == [0.7, 0.5], "the prediction that nobody can judge is gone"
    assert found.iou.tolist() == [[0], [1]]


def test_an_empty_predicted_mask_is_a_wrong_one():
    found = detections(np.array([box(0, 4)]), np.array([box(0, 0), box(0, 4)]), scores=[0.9, 0.5])
    assert ap_r([found]) == pytest.approx(1 / 2)


@pytest.mark.parametrize(("true", "pred", "score"), [(0, 0, np.nan), (0, 1, np.nan), (1, 0, 0.0), (1, 1, 1.0)])
def test_empty_images(true, pred, score):
    found = [detections(np.full((4, 4), true), np.full((4, 4), pred), np.ones(pred))]
    scores = [*coco_ap(found).values(), ap_r(found), average_recall(found)[100]]
    np.testing.assert_array_equal(scores, [score] * 5)


def test_without_images_there_is_no_score():
    assert np.isnan([coco_ap([])["AP"], ap_r([]), average_recall([])[1]]).all()


STACK = np.ones((2, 4, 4), dtype=bool)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((STACK, STACK[:, :3], [1, 1]), [r"shape \(4, 4\)", r"\(3, 4\)", "same shape", "stacks"]),
        ((STACK, STACK, [1]), [r"scores have shape \(1,\) for 2 masks", "one value per mask"]),
        ((STACK, STACK, [1, np.nan]), ["NaN", "finite"]),
        ((STACK, STACK, ["a", "b"]), ["scores are of type <U1", "expected number"]),
        ((STACK, STACK, [1, 1], [1, 1, 1]), [r"true_classes have shape \(3,\)", "2 masks"]),
        ((STACK, STACK, [1, 1], None, [0.5, 1]), ["classes are of type float64", "integer"]),
        ((STACK[0], STACK, [1, 1]), [r"boolean truth has shape \(4, 4\)", "stack", r"mask\[None\]"]),
        ((STACK & [[[True]], [[False]]], STACK, [1, 1]), ["True mask 1", "no pixel", "Leave"]),
        ((STACK, STACK.astype(float), [1, 1]), ["prediction has values of type float64", "integer labels"]),
    ],
)
def test_bad_input_is_named(arguments, words):
    with pytest.raises(InputError, match=".*".join(words)):
        detections(*arguments)


def test_bad_numbers_and_thresholds_are_named():
    found = [detections(STACK, STACK, [1, 1])]
    with pytest.raises(InputError, match=r"proposals are \(0, 5\)"):
        average_recall(found, (0, 5))
    with pytest.raises(InputError, match=r"thresholds are \(1\.5,\)"):
        ap_r(found, 1.5)
