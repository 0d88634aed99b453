#!/usr/bin/python3
"""Loads a checkpoint of ours in PyTorch after the stated renaming and compares the output of G.

    test_load_in_torch.py WRITER FOLDER

WRITER (write_checkpoint.c) puts model.safetensors, input.f32 and output.f32 into FOLDER. Exit code 77: no torch here.
The file is read here by the format's description alone, so nothing but torch is needed.
"""
import json
import os
import subprocess
import sys

try:
    import torch
except ImportError:
    print('skipped: no python3-torch')
    sys.exit(77)

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from make_fixture import Discriminator, Generator  # noqa: E402


def read_safetensors(path):
    with open(path, 'rb') as f:
        data = f.read()
    length = int.from_bytes(data[:8], 'little')
    header = json.loads(data[8:8 + length])
    assert length % 8 == 0, 'header is padded to 8 bytes'
    metadata = header.pop('__metadata__')
    assert list(header) == sorted(header), 'names are sorted'
    assert all(isinstance(v, str) for v in metadata.values()), 'metadata are strings'
    kinds = {'F32': torch.float32, 'F16': torch.float16}
    tensors = {}
    for name, t in header.items():
        begin, end = (8 + length + at for at in t['data_offsets'])
        flat = torch.frombuffer(bytearray(data[begin:end]), dtype=kinds[t['dtype']])
        tensors[name] = flat.reshape(t['shape'])
    return tensors, metadata


def renamed(tensors, net):
    """The stated renaming: '<net>.' goes, '.conv.' becomes '.', '.norm.' becomes '_norm.'."""
    out = {}
    for name, t in tensors.items():
        if name.startswith(net + '.') and not name.startswith((net + '.adam_', net + '.ema.')):
            out[name[len(net) + 1:].replace('.conv.', '.').replace('.norm.', '_norm.')] = t
    return out


def main(writer, folder):
    os.makedirs(folder, exist_ok=True)
    subprocess.run([writer, folder], check=True)
    tensors, metadata = read_safetensors(os.path.join(folder, 'model.safetensors'))
    size, width = int(metadata['size']), int(metadata['generator_width'])
    for net in ('G', 'F'):
        generator = Generator(width, size.bit_length())
        generator.load_state_dict(renamed(tensors, net))
        if net == 'G':
            image = [torch.frombuffer(bytearray(open(os.path.join(folder, n), 'rb').read()), dtype=torch.float32)
                     .reshape(-1, 1, size, size) for n in ('input.f32', 'output.f32')]
            with torch.no_grad():
                worst = (generator(image[0]) - image[1]).abs().max().item()
            print('largest difference of G', worst)
            assert worst < 5e-5
    for net in ('D_X', 'D_Y'):
        Discriminator(int(metadata['discriminator_width'])).load_state_dict(renamed(tensors, net))


if __name__ == '__main__':
    main(*sys.argv[1:])
