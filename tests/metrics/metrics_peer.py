#!/usr/bin/env python3
"""Our metrics against scikit-image, SciPy and NumPy on the same arrays: equal to 1e-6.

usage: metrics_peer.py PEER     PEER is the built metrics_peer.
Exit code 77 (skipped) when scikit-image or SciPy are not there.
"""
import os
import subprocess
import sys
import tempfile

try:
    import numpy as np
    from scipy import linalg
    from scipy.cluster.vq import kmeans2
    from skimage import feature, metrics
except ImportError as missing:
    print(f"SKIP: {missing}")
    sys.exit(77)

PEER = sys.argv[1]
failures = []
compared = 0


def ours(folder, command, numbers, arrays):
    """The peer's lines as a dictionary; arrays are written raw and take their places in the arguments."""
    arguments = [PEER, command]
    for item in numbers:
        if isinstance(item, str):
            path = os.path.join(folder, item)
            arrays[item].tofile(path)
            arguments.append(path)
        else:
            arguments.append(str(item))
    lines = subprocess.run(arguments, check=True, capture_output=True, text=True).stdout.splitlines()
    return {name: float(value) for name, value in (line.split() for line in lines)}


def check(what, mine, theirs, tolerance=1e-6):
    global compared
    compared += 1
    same = np.isnan(mine) and np.isnan(theirs) or abs(mine - theirs) <= tolerance * max(1.0, abs(theirs))
    if not same:
        failures.append(f"{what}: {mine!r}, expected {theirs!r}")


def structural(a, b):
    return metrics.structural_similarity(a, b, data_range=1.0, gaussian_weights=True, sigma=1.5,
                                         use_sample_covariance=False, full=True)


def entropy(histogram):
    p = histogram[histogram > 0] / histogram.sum()
    return -(p * np.log(p)).sum()


def mutual(a, b):
    joint, _, _ = np.histogram2d(a, b, bins=100)
    return (entropy(joint.sum(0)) + entropy(joint.sum(1))) / entropy(joint)


def multiscale(a, b):
    """Wang 2003 from its definition, with scikit-image's Gaussian."""
    from scipy.ndimage import gaussian_filter

    def blur(x):
        return gaussian_filter(x, 1.5, truncate=3.5)[5:-5, 5:-5]

    product = 1.0
    weights = [0.0448, 0.2856, 0.3001, 0.2363, 0.1333]
    for scale, weight in enumerate(weights):
        ma, mb = blur(a), blur(b)
        va, vb, vab = blur(a * a) - ma * ma, blur(b * b) - mb * mb, blur(a * b) - ma * mb
        cs = (2 * vab + 9e-4) / (va + vb + 9e-4)
        full = cs * (2 * ma * mb + 1e-4) / (ma * ma + mb * mb + 1e-4)
        product *= max((full if scale == 4 else cs).mean(), 0.0) ** weight
        h, w = a.shape[0] // 2 * 2, a.shape[1] // 2 * 2
        a, b = ([x[:h:2, :w:2] + x[:h:2, 1:w:2] + x[1:h:2, :w:2] + x[1:h:2, 1:w:2] for x in (a, b)])
        a, b = a / 4, b / 4
    return product


def lloyd(values, rounds=1000):
    """SciPy's k-means from the same first centres."""
    ordered = np.sort(values)
    first = ordered[[n * len(ordered) // 6 for n in (1, 3, 5)]].astype(float)
    centres, _ = kmeans2(ordered.astype(float)[:, None], first[:, None], iter=rounds, minit="matrix")
    centres = centres[:, 0]
    return (centres[:-1] + centres[1:]) / 2


def dice(a, b):
    return 2 * (a & b).sum() / (a.sum() + b.sum()) if a.sum() + b.sum() else np.nan


def check_tissue(ours_of, a, b, mask, suffix):
    ca = np.digitize(a[mask].astype(float), lloyd(a[mask]))
    cb = np.digitize(b[mask].astype(float), lloyd(b[mask]))
    for t, name in enumerate(("dark", "middle", "bright")):
        check(f"dice {name}{suffix}", ours_of[f"dice_{name}{suffix}"], dice(ca == t, cb == t))
        check(f"volume {name}{suffix}", ours_of[f"volume_{name}{suffix}"], (ca == t).sum() / (cb == t).sum() - 1)


def check_pair(folder, a, b, mask, name):
    arrays = {"a": a, "b": b, "mask": mask.astype(np.uint8)}
    got = ours(folder, "pair", [a.shape[0], a.shape[1], "a", "b", "mask"], arrays)
    da, db = a.astype(float), b.astype(float)
    mean, field = structural(da, db)
    inner = np.zeros_like(mask)
    inner[5:-5, 5:-5] = mask[5:-5, 5:-5]
    check(f"{name} ssim", got["ssim"], mean)
    check(f"{name} ssim masked", got["ssim_masked"], field[inner].mean())
    check(f"{name} psnr", got["psnr"], metrics.peak_signal_noise_ratio(db, da, data_range=1.0))
    check(f"{name} mse", got["mse"], metrics.mean_squared_error(da, db))
    check(f"{name} mae", got["mae"], np.abs(da - db).mean())
    check(f"{name} mae masked", got["mae_masked"], np.abs(da - db)[mask].mean())
    check(f"{name} psnr masked", got["psnr_masked"], -10 * np.log10(((da - db)[mask] ** 2).mean()))
    check(f"{name} nmi", got["nmi"], metrics.normalized_mutual_information(da, db, bins=100))
    check(f"{name} nmi masked", got["nmi_masked"], mutual(da[mask], db[mask]))
    steep = [np.hypot(*[g[1:-1, 1:-1] for g in np.gradient(x)]).mean() for x in (da, db)]
    check(f"{name} sharpness", got["sharpness"], steep[0] / steep[1])
    check(f"{name} ms-ssim", got["ms_ssim"], multiscale(da, db) if min(a.shape) >= 176 else np.nan)
    check_tissue(got, a, b, np.ones_like(mask), "")
    check_tissue(got, a, b, mask, "_masked")
    check_features(got, a, mask, name)


def check_features(got, a, mask, name):
    """Grey values and co-occurrences; the mask by hand, for scikit-image's has none."""
    v = a[mask].astype(float)
    theirs = [v.mean(), v.std(), ((v - v.mean()) ** 3).mean() / v.std() ** 3, ((v - v.mean()) ** 4).mean() / v.var() ** 2 - 3]
    theirs += [np.percentile(v, p) for p in (10, 25, 50, 75, 90)]
    theirs += [np.percentile(v, 75) - np.percentile(v, 25), np.abs(v - v.mean()).mean()]
    for n, value in enumerate(theirs):
        check(f"{name} feature {n}", got[f"feature_{n}"], value)
    levels = np.where(mask, np.clip((a.astype(float) * 16).astype(int), 0, 15), 16).astype(np.uint8)
    for d, first in ((1, 13), (2, 19)):
        count = np.zeros((17, 17))
        for row, column in ((0, d), (d, 0), (d, d), (d, -d)):
            x = levels[: levels.shape[0] - row, max(0, -column): levels.shape[1] - max(0, column)]
            y = levels[row:, max(0, column): levels.shape[1] - max(0, -column)]
            np.add.at(count, (x, y), 1)
        p = (count + count.T)[:16, :16]
        p = (p / p.sum())[:, :, None, None]
        for n, what in enumerate(("contrast", "dissimilarity", "homogeneity", "correlation")):
            check(f"{name} {what} {d}", got[f"feature_{first + n}"], feature.graycoprops(p, what)[0, 0])
        check(f"{name} ASM {d}", got[f"feature_{first + 5}"], feature.graycoprops(p, "ASM")[0, 0])


def check_distributions(folder, rng):
    for features, count_a, count_b in ((6, 40, 30), (48, 9, 9), (30, 200, 150)):
        a = rng.normal(size=(count_a, features)) * rng.uniform(0.5, 2, features)
        b = rng.normal(size=(count_b, features)) @ rng.normal(size=(features, features)) * 0.3 + 0.2
        got = ours(folder, "features", [features, count_a, "fa", count_b, "fb"], {"fa": a, "fb": b})
        root = linalg.sqrtm(np.cov(a.T) @ np.cov(b.T))
        trace = np.trace(np.cov(a.T) + np.cov(b.T) - 2 * np.real(root))
        # SciPy's root of a singular product is itself good to about 1e-4 only
        tolerance = 1e-6 if min(count_a, count_b) > features else 1e-3
        check(f"frechet {features}", got["frechet"], ((a.mean(0) - b.mean(0)) ** 2).sum() + trace, tolerance)
        kaa, kbb, kab = ((x @ y.T / features + 1) ** 3 for x, y in ((a, a), (b, b), (a, b)))
        theirs = (kaa.sum() - np.trace(kaa)) / (count_a * (count_a - 1)) - 2 * kab.mean()
        theirs += (kbb.sum() - np.trace(kbb)) / (count_b * (count_b - 1))
        check(f"kernel {features}", got["kernel"], theirs)


def main():
    rng = np.random.default_rng(5)
    with tempfile.TemporaryDirectory() as folder:
        for shape in ((64, 64), (48, 71), (181, 217)):
            smooth = rng.random((shape[0] // 8 + 2, shape[1] // 8 + 2)).repeat(8, 0).repeat(8, 1)[: shape[0], : shape[1]]
            a = np.clip(smooth + 0.05 * rng.normal(size=shape), 0, 1).astype(np.float32)
            b = np.clip(0.8 * smooth ** 2 + 0.05 * rng.normal(size=shape), 0, 1).astype(np.float32)
            y, x = np.mgrid[: shape[0], : shape[1]]
            mask = np.hypot((y - shape[0] / 2) / shape[0], (x - shape[1] / 2) / shape[1]) < 0.42
            check_pair(folder, a, b, mask, f"{shape[0]}x{shape[1]}")
        check_distributions(folder, rng)
        values = np.concatenate([rng.normal(m, 0.05, n) for m, n in ((0.2, 500), (0.5, 900), (0.9, 300))]).astype(np.float32)
        got = ours(folder, "classes", [len(values), "v"], {"v": values})
        for mine, theirs in zip((got["first"], got["second"]), lloyd(values)):
            check("classes", mine, theirs)
    print("\n".join(failures) if failures else f"{compared} numbers agree")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
