"""What the scripts here share: our reading of a folder, and pydicom's of the same slices."""
import os
import subprocess
import sys
import warnings

try:
    import numpy as np
    import pydicom
except ImportError as missing:
    print(f"SKIP: {missing}")
    sys.exit(77)

warnings.simplefilter("ignore")


class Volume:
    """One volume as dump.c tells it: voxels [k][j][i], matrix 3x4 to RAS+, (frame, path) of each slice."""

    def __init__(self, words, out):
        self.selector = words[2]
        i, j, k = (int(w) for w in words[3:6])
        self.matrix = np.array([float(w) for w in words[6:18]]).reshape(3, 4)
        self.voxels = np.fromfile(os.path.join(out, f"{words[1]}.f32"), "<f4").reshape(k, j, i)
        self.slices = []
        self.resampled = False
        self.path = None  # of a NIfTI file


def ours_of_each(dump, paths, out):
    """Volumes and reasons of refusals below each path, in one start of the program."""
    os.makedirs(out, exist_ok=True)
    run = subprocess.run([dump, out, *paths], capture_output=True, text=True, errors="replace")
    if run.returncode != 0:
        raise RuntimeError(f"{paths}: {run.stderr.strip()[-300:]}")
    found, at = [], iter(paths)
    for line in run.stdout.splitlines():
        word, _, rest = line.partition(" ")
        if word == "at":
            assert rest == next(at), line
            volumes, refused = [], []
            found.append((volumes, refused))
        elif word == "volume":
            volumes.append(Volume(line.split(), out))
        elif word == "slice":
            frame, _, name = rest.partition(" ")
            volumes[-1].slices.append((int(frame), name))
        elif word == "path":
            volumes[-1].path = rest
        elif word == "resampled":
            volumes[-1].resampled = True
        else:
            refused.append(rest)
    assert next(at, None) is None, f"nothing of {paths[len(found):]}"
    return found


def ours(dump, path, out):
    """Of one path."""
    return ours_of_each(dump, [path], out)[0]


def decompressed(path, scratch):
    """The file with plain pixels, by tools that are not DCMTK where DCMTK did our decoding."""
    name = os.path.join(scratch, f"plain{abs(hash(path))}.dcm")
    if not os.path.exists(name):
        done = subprocess.run(["gdcmconv", "--raw", path, name], capture_output=True)
        if done.returncode != 0:
            return path
    return name


def macro(data, frame, sequence, tag):
    """An attribute of a classic image, or of a frame: its own functional groups before the shared ones."""
    if frame == 0:
        return data.get(tag)
    for group in [data.PerFrameFunctionalGroupsSequence[frame - 1], *data.get("SharedFunctionalGroupsSequence", [])]:
        if sequence in group and len(group[sequence].value) and tag in group[sequence].value[0]:
            return group[sequence].value[0][tag]
    return data.get(tag)


def value(element, default=None):
    return default if element is None or element.value is None or element.value == "" else element.value


_open = {}


def theirs(path, frame, scratch):
    """pydicom's slice: rescaled values as float32, position, row and column steps in LPS+ mm."""
    if path not in _open:
        _open.clear()
        data = pydicom.dcmread(path, force=True)
        if "TransferSyntaxUID" not in data.file_meta:
            data.file_meta.TransferSyntaxUID = pydicom.uid.ImplicitVRLittleEndian
        plain = data
        if data.file_meta.TransferSyntaxUID.is_compressed:
            plain = pydicom.dcmread(decompressed(path, scratch))
        _open[path] = (data, plain.pixel_array)
    data, pixels = _open[path]
    if frame > 0 and pixels.ndim == 3:
        pixels = pixels[frame - 1]
    slope = float(value(macro(data, frame, 0x00289145, 0x00281053), 1))
    intercept = float(value(macro(data, frame, 0x00289145, 0x00281052), 0))
    stored = pixels.astype(np.float64)
    values = (stored * slope + intercept).astype(np.float32)
    padding = data.get("PixelPaddingValue")
    values[stored == padding if padding is not None else np.zeros(stored.shape, bool)] = np.nan
    position = np.array([float(v) for v in value(macro(data, frame, 0x00209113, 0x00200032))])
    axes = np.array([float(v) for v in value(macro(data, frame, 0x00209116, 0x00200037))])
    spacing = [float(v) for v in value(macro(data, frame, 0x00289110, 0x00280030))]
    return values, position, axes[:3] * spacing[1], axes[3:] * spacing[0]


EVEN_MM = 0.1  # slices this near an even grid are taken to lie on it (docs/dicom.md, "Slices")


def differences(volume, scratch):
    """What pydicom says otherwise of a volume: a list of words; and how far slices lie off the even grid."""
    found, off_grid = [], 0.0
    lps = volume.matrix * np.array([[-1], [-1], [1]])
    expected = []
    for k, (frame, path) in enumerate(volume.slices):
        values, position, along_i, along_j = theirs(path, frame, scratch)
        expected.append(values)
        far = [values.shape[1] - 1, values.shape[0] - 1]
        off = position - lps @ np.array([0, 0, k, 1.0])  # of the slice as a whole
        off_grid = max(off_grid, np.abs(off).max())
        for i, j in ((0, 0), (far[0], 0), (0, far[1]), tuple(far)):
            there = position + i * along_i + j * along_j
            here = lps @ np.array([i, j, k, 1.0])
            if np.abs(off).max() > EVEN_MM or np.abs(there - here - off).max() > 1e-3:
                found.append(f"slice {k}, voxel {i} {j}: at {here}, pydicom {there}")
    expected = np.array(expected)
    lowest = np.nanmin(expected)
    expected[np.isnan(expected)] = min(lowest, 0)
    if expected.shape != volume.voxels.shape or not np.array_equal(expected, volume.voxels):
        found.append("voxels differ")
    return found, off_grid

