#!/usr/bin/python3
"""Loads models and checkpoints of every kind of generator by share/python/mrcycle_torch.py and compares what they make.

    test_load_in_torch.py WRITER FOLDER SHIPPED [MRCYCLE]

WRITER (write_checkpoint.c) puts a folder for each kind into FOLDER. SHIPPED: the model in sample_data. Exit code 77: no torch.
"""
import glob
import os
import subprocess
import sys

try:
    import torch
except ImportError:
    print('skipped: no python3-torch')
    sys.exit(77)

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, '../../share/python'), HERE]
import mrcycle_torch  # noqa: E402
from make_fixture import Discriminator  # noqa: E402

ENOUGH = 1e-5


def floats(path, channels):
    """Images as mrcycle keeps them, channels last, as torch wants them."""
    flat = torch.frombuffer(bytearray(open(path, 'rb').read()), dtype=torch.float32)
    side = round((flat.numel() / 3 / channels) ** 0.5)
    return flat.reshape(3, side, side, channels).permute(0, 3, 1, 2).contiguous()


def check_format(path):
    data = open(path, 'rb').read()
    assert int.from_bytes(data[:8], 'little') % 8 == 0, 'header is padded to 8 bytes'
    tensors, about = mrcycle_torch.read(path)
    assert list(tensors) == sorted(tensors), 'names are sorted'
    assert all(isinstance(v, str) for v in about.values()), 'metadata are strings'
    return tensors, about


def check_kind(folder):
    for file in ('model', 'complete'):
        path = os.path.join(folder, file + '.safetensors')
        tensors, about = check_format(path)
        for net in ('G', 'F'):
            try:
                module = mrcycle_torch.load(path, net)
            except ValueError as refusal:              # it knows some of our networks, and says so of the others
                assert about['generator'] not in mrcycle_torch.KINDS and 'is unknown here' in str(refusal), refusal
                print(f'{os.path.basename(folder):18s} {file:9s} {net} {refusal}')
                continue
            x = floats(os.path.join(folder, 'input.f32'), int(about['channels']))
            y = floats(os.path.join(folder, net + '.f32'), int(about['channels']))
            assert y.std() > 0.001, 'an image, not a constant'
            if module.side_step:
                assert x.shape[2] % module.side_step == 0
            with torch.no_grad():
                worst = (module(x) - y).abs().max().item()
            print(f'{os.path.basename(folder):18s} {file:9s} {net} {module.kind:7s} largest difference {worst:.1e}')
            assert worst < ENOUGH, (folder, file, net, worst)
        if file == 'complete':
            for net in ('D_X', 'D_Y'):
                own = {n[len(net) + 1:]: t for n, t in tensors.items() if n.startswith(net + '.') and '.adam_' not in n}
                renamed = {n.replace('.conv.', '.').replace('.norm.', '_norm.'): t for n, t in own.items()}
                if int(about['channels']) == 1:
                    Discriminator(int(about['discriminator_width'])).load_state_dict(renamed)


def main(writer, folder, shipped):
    os.makedirs(folder, exist_ok=True)
    subprocess.run([writer, folder], check=True)
    kinds = sorted(glob.glob(os.path.join(folder, '*', '')))
    assert len(kinds) >= 8
    for kind in kinds:
        check_kind(kind.rstrip('/'))
    for net in ('G', 'F'):
        module = mrcycle_torch.load(shipped, net)
        size = int(module.about['size'])
        x = torch.rand(2, int(module.about['channels']), size, size)
        y = mrcycle_torch.mirrored(module, x)
        assert torch.equal(mrcycle_torch.mirrored(module, x.flip(-1)), y.flip(-1)), 'mirrored in, mirrored out'
        print('shipped', net, module.kind, tuple(y.shape))


if __name__ == '__main__':
    main(*sys.argv[1:4])
