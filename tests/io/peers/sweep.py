#!/usr/bin/env python3
"""Every volume we accept below some folders, compared with pydicom (voxels exactly, positions to 1e-3 mm
within slices and as near to an even grid across them as is allowed),
and with dcm2niix where it makes the same volume.

usage: sweep.py DUMP FOLDER     DUMP is the built dump.c; archives (.tar.gz) are unpacked beside, in scratch
Exit code 77 (skipped) where pydicom, numpy or FOLDER is not there.
"""
import glob
import os
import subprocess
import sys
import tarfile
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import peers  # noqa: E402
import numpy as np  # noqa: E402

try:
    import nibabel
except ImportError:
    nibabel = None


def by_dcm2niix(folder, scratch):
    """Its volumes: voxels [k][j][i] and matrix."""
    if nibabel is None:
        return []
    out = tempfile.mkdtemp(dir=scratch)
    try:
        subprocess.run(["dcm2niix", "-z", "n", "-b", "n", "-m", "n", "-p", "n", "-f", "%s_%e_%y_%d", "-o", out, folder],
                       capture_output=True, timeout=120)
    except (OSError, subprocess.TimeoutExpired):
        return []
    found = []
    for name in glob.glob(os.path.join(out, "*.nii")):
        image = nibabel.load(name)
        data = np.asanyarray(image.dataobj)
        if data.dtype.fields is not None:
            continue
        data = data.reshape(data.shape[:3] + (-1,))
        for t in range(data.shape[3]):
            found.append((data[..., t].transpose(2, 1, 0).astype(np.float32), image.affine[:3]))
    return found


def canonical(voxels, matrix):
    """In the order nearest to RAS+, for dcm2niix turns and exchanges axes."""
    image = nibabel.Nifti1Image(voxels.transpose(2, 1, 0), np.vstack([matrix, [0, 0, 0, 1]]))
    image = nibabel.as_closest_canonical(image)
    return np.asanyarray(image.dataobj), image.affine


def same_volume(volume, voxels, matrix):
    """Are these the same voxels at the same places, whatever the order of the axes?"""
    here, a = canonical(volume.voxels, volume.matrix)
    there, b = canonical(voxels, matrix)
    if here.shape != there.shape or not np.allclose(here, there, rtol=1e-5, atol=1e-3):
        return False
    corners = np.array(np.meshgrid(*[(0, n - 1) for n in here.shape], [1])).reshape(4, -1)
    return np.abs(a @ corners - b @ corners).max() < 0.05  # its matrix is float32, its spacing the header's


def off_positions(volume, matrix, positions):
    """How far the slices of another reader's grid lie from where the headers place them, mm; None: its axes run otherwise."""
    place = np.array([[*p, 1.0] for p in positions * [-1, -1, 1]])
    axes = np.vstack([matrix, [0, 0, 0, 1]])
    index = np.linalg.solve(axes, place.T)[:3].T  # in its voxels: one axis counts slices, two stay at an edge
    steps = np.abs(np.diff(index, axis=0)).sum(axis=0)
    along = int(np.argmax(steps))
    if abs(steps[along] - (len(positions) - 1)) > 0.5:
        return None
    near = index.copy()
    near[:, along] = np.round(index[:, along])
    return float(np.abs((axes[:3, :3] @ (index - near).T)).max())


def same_values(volume, voxels, matrix):
    here, there = canonical(volume.voxels, volume.matrix)[0], canonical(voxels, matrix)[0]
    return here.shape == there.shape and np.allclose(here, there, rtol=1e-5, atol=1e-3)


def unpack(folder, scratch):
    """FOLDER's subfolders, and its archives unpacked."""
    roots = [entry.path for entry in os.scandir(folder) if entry.is_dir()]
    for archive in glob.glob(os.path.join(folder, "*.tar.gz")):
        root = os.path.join(scratch, os.path.basename(archive)[:-7])
        with tarfile.open(archive) as tar:
            tar.extractall(root)
        roots.append(root)
    return sorted(roots)


def main():
    dump, folder = sys.argv[1:3]
    if not os.path.isdir(folder):
        print(f"SKIP: {folder} is not there")
        return 77
    failures, accepted, agreed, refused_total = 0, 0, 0, 0
    with tempfile.TemporaryDirectory() as scratch:
        for root in unpack(folder, scratch):
            volumes, refused = peers.ours(dump, root, os.path.join(scratch, "out"))
            refused_total += len(refused)
            other = {}
            for volume in volumes:
                accepted += 1
                name = f"{os.path.basename(root)} {volume.selector}"
                words, off_grid = ([], 0.0) if volume.resampled else peers.differences(volume, scratch)
                for word in words[:3]:
                    print(f"FAIL {name}: {word}")
                failures += bool(words)
                where = os.path.dirname(volume.slices[0][1]) if volume.slices else root
                if where not in other:
                    other[where] = by_dcm2niix(where, scratch)
                same = any(same_volume(volume, *o) for o in other[where])
                if off_grid > 1e-3 and not same:  # no grid fits; ours must lie no farther off than theirs
                    positions = np.array([peers.theirs(path, frame, scratch)[1] for frame, path in volume.slices])
                    theirs = [off_positions(volume, m, positions) for v, m in other[where] if same_values(volume, v, m)]
                    same = any(off is not None and off >= off_grid - 1e-3 for off in theirs)
                    failures += not same and len(other[where]) > 0
                    print(f"note {name}: slices lie up to {off_grid:.3f} mm off the even grid, up to {theirs} mm off dcm2niix's")
                agreed += same
                if not same:
                    print(f"note {name}: no volume of dcm2niix is this one ({len(other[where])} made)")
    print(f"{accepted} volumes accepted, {refused_total} refused; dcm2niix made {agreed} of them the same")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
