#!/usr/bin/env python3
"""Loads a generator of an mrcycle model or checkpoint as a torch.nn.Module. One file; needs torch and nothing else.

    import mrcycle_torch
    net = mrcycle_torch.load('t1w-t2w-64.safetensors', 'G')     # 'G': T1w to T2w, 'F': T2w to T1w
    y = net(x)                                                  # [n, channels, height, width], float32 in [0, 1]
    y = mrcycle_torch.mirrored(net, x)                          # as `mrcycle translate` does: the mean of both sides

net.about is what the file says of itself, a dict of strings; net.side_step what sides are multiples of (0: net.about['size'] only).
What a generator makes is synthetic and not for diagnosis.
"""
import json

import torch
from torch import nn

LEAK = 0.2
LOCAL_CHANNELS = 24
KINDS = ('unet', 'local', 'hybrid', 'shuffle')         # known here
ALL_KINDS = KINDS + ('resnet', 'mesh', 'separable')      # in the program's order
BLOCK = 4                                                # of shuffle: pixels a side that become channels


def read(path):
    """All tensors of a safetensors file, and its metadata."""
    with open(path, 'rb') as f:
        data = f.read()
    length = int.from_bytes(data[:8], 'little')
    header = json.loads(data[8:8 + length])
    about = header.pop('__metadata__', {})
    kinds = {'F32': torch.float32, 'F16': torch.float16}
    tensors = {}
    for name, t in header.items():
        begin, end = (8 + length + at for at in t['data_offsets'])
        if t['dtype'] not in kinds:
            raise ValueError(f'{path}: tensor {name} is {t["dtype"]}, expected F32 or F16')
        flat = torch.frombuffer(bytearray(data[begin:end]), dtype=kinds[t['dtype']]) if end > begin else torch.empty(0)
        tensors[name] = flat.reshape(t['shape']).float()
    return tensors, about


def block(conv, norm_channels=0):
    parts = {'conv': conv}
    if norm_channels:
        parts['norm'] = nn.InstanceNorm2d(norm_channels, eps=1e-5, affine=True)
    return nn.ModuleDict(parts)


def apply(parts, x):
    x = parts['conv'](x)
    return parts['norm'](x) if 'norm' in parts and x.shape[2] * x.shape[3] > 1 else x


def space_to_depth(x):
    n, c, h, w = x.shape
    return x.reshape(n, c, h // BLOCK, BLOCK, w // BLOCK, BLOCK).permute(0, 3, 5, 1, 2, 4).reshape(n, -1, h // BLOCK, w // BLOCK)


def depth_to_space(x):
    n, c, h, w = x.shape
    return x.reshape(n, BLOCK, BLOCK, -1, h, w).permute(0, 3, 4, 1, 5, 2).reshape(n, -1, h * BLOCK, w * BLOCK)


class Generator(nn.Module):
    """A U-Net, a local branch, or the sum of both, before a sigmoid; or a U-Net on blocks of pixels beside a short branch (shuffle).
    Modules are called as mrcycle's tensors. taken, channels: of what it reads and makes."""

    def __init__(self, kind, taken, channels, size, width, depth):
        super().__init__()
        if kind not in KINDS:
            raise ValueError(f'generator "{kind}" is unknown here, expected one of {", ".join(KINDS)}')
        self.kind = kind
        if kind == 'shuffle':
            self.add_shuffle(taken, channels, size, width, depth or 4)
            return
        whole = size.bit_length()                        # blocks down to one pixel
        self.depth = depth if 0 < depth < whole else whole
        self.side_step = 1 if kind == 'local' else 0 if self.depth == whole else 1 << (self.depth - 1)
        if kind != 'unet':
            self.add_local(taken, channels)
        if kind != 'local':
            self.add_module('head', block(nn.Conv2d(self.add_trunk(taken, size, width), channels, 3, 1, 1)))

    def add_shuffle(self, taken, channels, size, width, depth):
        self.depth = depth
        self.side_step = BLOCK << (depth - 1)
        detail = -(-max(taken, channels, width // 4) // 8) * 8
        self.add_module('local1', block(nn.Conv2d(taken, detail, 3, 1, 1)))
        self.add_module('local2', block(nn.Conv2d(detail, detail, 3, 1, 1)))
        self.add_module('head', block(nn.Conv2d(self.add_trunk(BLOCK ** 2 * taken, size // BLOCK, width), BLOCK ** 2 * detail, 1)))
        self.add_module('local3', block(nn.Conv2d(2 * detail, detail, 3, 1, 1)))
        self.add_module('local4', block(nn.Conv2d(detail, channels, 3, 1, 1)))

    def add_local(self, first, channels):
        for n in range(1, 6):
            taken = first if n == 1 else LOCAL_CHANNELS
            given = LOCAL_CHANNELS if n < 5 else channels
            self.add_module(f'local{n}', block(nn.Conv2d(taken, given, 3, 1, 1) if n < 5 else nn.Conv2d(taken, given, 1)))

    def add_trunk(self, taken, size, width):
        """The U-Net but for its head; returns the channels that the head reads."""
        wide = [taken] + [min(1 << n, 8) * width for n in range(self.depth)]
        self.add_module('enc1', block(nn.Conv2d(wide[0], wide[1], 3, 1, 1)))
        for n in range(2, self.depth + 1):
            one_pixel = size >> (n - 1) == 1             # the norm of one pixel is always its shift: there is none
            self.add_module(f'enc{n}', block(nn.Conv2d(wide[n - 1], wide[n], 4, 2, 1), 0 if one_pixel else wide[n]))
        taken = wide[self.depth]
        for n in range(1, self.depth):
            given = wide[self.depth - n]
            self.add_module(f'dec{n}', block(nn.ConvTranspose2d(taken, given, 4, 2, 1), given))
            taken = 2 * given
        return taken

    def local_logits(self, x):
        for n in range(1, 5):
            x = nn.functional.leaky_relu(apply(getattr(self, f'local{n}'), x), LEAK)
        return apply(self.local5, x)

    def trunk(self, x):
        encoded = []
        for n in range(1, self.depth + 1):
            x = nn.functional.leaky_relu(apply(getattr(self, f'enc{n}'), x), LEAK)
            encoded.append(x)
        for n in range(1, self.depth):
            x = torch.relu(apply(getattr(self, f'dec{n}'), x))
            x = torch.cat((x, encoded[self.depth - n - 1]), 1)
        return x

    def shuffled(self, x):
        detail = nn.functional.leaky_relu(apply(self.local1, x), LEAK)
        detail = nn.functional.leaky_relu(apply(self.local2, detail), LEAK)
        context = nn.functional.leaky_relu(apply(self.head, self.trunk(space_to_depth(x))), LEAK)
        x = nn.functional.leaky_relu(apply(self.local3, torch.cat((detail, depth_to_space(context)), 1)), LEAK)
        return apply(self.local4, x)

    def forward(self, x):
        if self.kind == 'shuffle':
            return torch.sigmoid(self.shuffled(x))
        local = self.local_logits(x) if self.kind != 'unet' else 0
        context = apply(self.head, self.trunk(x)) if self.kind != 'local' else 0
        return torch.sigmoid(local + context)


def load(path, net='G'):
    """Generator 'G' or 'F' of a model or a complete checkpoint: of one with moving averages these, as mrcycle applies them."""
    tensors, about = read(path)
    back = int(about.get('generator_f', 0))              # 1 + the kind of F, 0: as G
    kinds = {'G': about['generator'], 'F': ALL_KINDS[back - 1] if 0 < back <= len(ALL_KINDS) else about['generator']}
    if kinds[net] not in KINDS:
        raise ValueError(f'generator "{kinds[net]}" is unknown here, expected one of {", ".join(KINDS)}')
    averages = f'{net}.ema.' if any(name.startswith(f'{net}.ema.') for name in tensors) else f'{net}.'
    kept = {name[len(averages):]: t for name, t in tensors.items() if name.startswith(averages)}
    kept = {name: t for name, t in kept.items() if not name.startswith(('adam_', 'ema.'))}
    taken = next(kept[n] for n in ('local1.conv.weight', 'enc1.conv.weight') if n in kept).shape[1]
    module = Generator(kinds[net], taken, int(about['channels']), int(about['size']), int(about['generator_width']),
                       int(about.get('depth', 0)))
    module.load_state_dict(kept)
    module.about = about
    return module.eval()


def mirrored(net, x):
    """The mean of what is made of slices and of their mirror images (last axis), mirrored back."""
    with torch.no_grad():
        return (net(x) + net(x.flip(-1)).flip(-1)) / 2
