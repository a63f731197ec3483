"""The slow and obvious ways, as the papers write them."""

import numpy as np


def mean_shift_loop(embedding, mask, bandwidth, seed=0):
    """De Brabandere et al. 2017, section 3.2: a random unlabelled pixel, threshold, mean, again, label, next."""
    points = embedding[:, mask].T.astype(np.float64)
    labels = np.zeros(len(points), np.int32)
    for start in np.random.default_rng(seed).permutation(len(points)):
        if labels[start]:
            continue
        free = np.flatnonzero(labels == 0)
        centre = points[start]
        while True:
            inside = free[np.linalg.norm(points[free] - centre, axis=1) <= bandwidth]
            mean = points[inside].mean(axis=0)
            if np.linalg.norm(mean - centre) < 1e-3 * bandwidth:
                break
            centre = mean
        labels[inside] = labels.max() + 1
    result = np.zeros(mask.shape, np.int32)
    result[mask] = labels
    return result


def greedy_seeds(points, seediness, n, alpha):
    """Fathi et al. 2017, section 3.3: log seediness plus alpha log of the squared distance to the seeds so far."""
    chosen = [int(np.argmax(seediness))]
    while len(chosen) < n:
        squared = np.min([((points - points[c]) ** 2).sum(axis=1) for c in chosen], axis=0)
        value = np.log(seediness) + alpha * np.log(np.maximum(squared, np.finfo(np.float32).tiny))
        value[chosen] = -np.inf
        chosen.append(int(np.argmax(value)))
    return chosen
