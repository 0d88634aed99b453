#!/usr/bin/python3
"""The same work as mrcycle-bench in PyTorch, and one line of JSON of the same form.

    torch_peer.py (step|forward) (stock|strong) WIDTH BATCH THREADS RUNS SLICES SIDE

stock: the networks as one writes them. strong: what makes PyTorch 1.13 fast on a CPU: F([y; x]) and G([x; y; F(y)]) in one
pass each, transposed convolutions as the data gradient of a convolution (oneDNN's kernels; PyTorch's own run in BLAS), group
norm with a channel a group for instance norm, gradients set to none, discriminators frozen in the generators' step. The
environment does the rest (compare_torch). Weights and images are those of bench.c, so losses and means can be compared. Exit
code 77: no torch here.
"""
import json
import os
import resource
import statistics
import sys
import time

try:
    import numpy as np
    import torch
except ImportError:
    print('skipped: no python3-torch')
    sys.exit(77)
import torch.nn as nn
import torch.nn.functional as F

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'model'))
import make_fixture  # noqa: E402
from make_fixture import Discriminator, Generator, adversarial, l1  # noqa: E402

make_fixture.kink = lambda x, slope: F.leaky_relu(x, slope) if slope else F.relu(x)  # the fixture's keeps what it saw

WARM_UP, LAMBDA_CYCLE, LAMBDA_IDENTITY = 2, 10.0, 5.0


def fill(shape, name, centre, spread):
    """bench_fill of bench.c."""
    salt = 2166136261
    for c in name.encode():
        salt = ((salt ^ c) * 16777619) & 0xffffffff
    h = np.arange(int(np.prod(shape)), dtype=np.uint32) * np.uint32(2654435761) + np.uint32(salt)
    h = (h ^ (h >> np.uint32(16))) * np.uint32(0x85ebca6b)
    h = (h ^ (h >> np.uint32(13))) * np.uint32(0xc2b2ae35)
    h ^= h >> np.uint32(16)
    x = centre + spread * ((h >> np.uint32(8)).astype(np.float64) / 16777216.0 - 0.5)
    return torch.from_numpy(x.astype(np.float32).reshape(shape))


def fill_net(net, prefix):
    for name, p in net.named_parameters():
        ours = name.replace('_norm.', '.norm.') if '_norm.' in name else name.replace('.', '.conv.')
        with torch.no_grad():
            if p.dim() > 1:
                p.copy_(fill(p.shape, f'{prefix}.{ours}', 0.0, 0.02 * 12 ** 0.5))
            else:
                p.fill_(0.0 if name.endswith('bias') else 1.0)
    return net


class TransposeAsGradient(torch.autograd.Function):
    """conv_transpose2d(x, w, b, stride 2, padding 1) of 4x4 kernels through the gradients of conv2d."""
    SETTINGS = (None, [2, 2], [1, 1], [1, 1], False, [0, 0], 1)

    @staticmethod
    def forward(ctx, x, w, b):
        ctx.save_for_backward(x, w)
        n, _, h, width = x.shape
        like = torch.empty(1).expand(n, w.shape[1], 2 * h, 2 * width)
        y = torch.ops.aten.convolution_backward(x, like, w, *TransposeAsGradient.SETTINGS, [True, False, False])[0]
        return y.add_(b.view(1, -1, 1, 1))

    @staticmethod
    def backward(ctx, g):
        x, w = ctx.saved_tensors
        g = g.contiguous()
        dx = F.conv2d(g, w, None, 2, 1) if ctx.needs_input_grad[0] else None
        dw = torch.ops.aten.convolution_backward(x, g, w, *TransposeAsGradient.SETTINGS, [False, True, False])[1]
        return dx, dw, g.sum((0, 2, 3))


class FastTranspose(nn.ConvTranspose2d):
    def forward(self, x):
        return TransposeAsGradient.apply(x, self.weight, self.bias)


class GroupNorm(nn.Module):
    def __init__(self, norm):
        super().__init__()
        self.weight, self.bias = norm.weight, norm.bias

    def forward(self, x):
        return F.group_norm(x, x.shape[1], self.weight, self.bias, 1e-5)


def strengthen(net):
    for name, m in list(net.named_children()):
        if isinstance(m, nn.ConvTranspose2d):
            m.__class__ = FastTranspose
        if isinstance(m, nn.InstanceNorm2d):
            setattr(net, name, GroupNorm(m))
    return net


def generator_loss(d_y, d_x, fy, fx, cx, cy, sx, sy, x, y):
    return (adversarial('lsgan', d_y(fy), 1) + adversarial('lsgan', d_x(fx), 1)
            + LAMBDA_CYCLE * (l1(cx, x) + l1(cy, y)) + LAMBDA_IDENTITY * (l1(sx, x) + l1(sy, y)))


class Step:
    def __init__(self, strong, width, batch, side):
        depth = side.bit_length()
        self.strong = strong
        self.nets = [fill_net(Generator(width, depth), 'G'), fill_net(Generator(width, depth), 'F'),
                     fill_net(Discriminator(width), 'D_X'), fill_net(Discriminator(width), 'D_Y')]
        if strong:
            for net in self.nets:
                strengthen(net)
        self.optimisers = [torch.optim.Adam(n.parameters(), lr=2e-4, betas=(0.5, 0.999), foreach=False) for n in self.nets]
        self.x, self.y = (fill((batch, 1, side, side), name, 0.5, 1.0) for name in ('x', 'y'))

    def __call__(self):
        g, f, d_x, d_y = self.nets
        x, y = self.x, self.y
        d_x.requires_grad_(False)
        d_y.requires_grad_(False)
        for o in self.optimisers:
            o.zero_grad(set_to_none=self.strong)
        if self.strong:
            fx, sx = f(torch.cat([y, x])).chunk(2)
            fy, sy, cy = g(torch.cat([x, y, fx])).chunk(3)
            cx = f(fy)
        else:
            fy, fx, sy, sx = g(x), f(y), g(y), f(x)
            cx, cy = f(fy), g(fx)
        loss = generator_loss(d_y, d_x, fy, fx, cx, cy, sx, sy, x, y)
        loss.backward()
        self.optimisers[0].step()
        self.optimisers[1].step()
        total_d = 0.0
        for d, real, fake in ((d_y, y, fy), (d_x, x, fx)):
            d.requires_grad_(True)
            if self.strong:
                r, k = d(torch.cat([real, fake.detach()])).chunk(2)
            else:
                r, k = d(real), d(fake.detach())
            half = 0.5 * (adversarial('lsgan', r, 1) + adversarial('lsgan', k, 0))
            half.backward()
            total_d += half.item()
        self.optimisers[2].step()
        self.optimisers[3].step()
        return [loss.item(), total_d]


class Forward:
    def __init__(self, strong, width, batch, side, slices):
        self.net = fill_net(Generator(width, side.bit_length()), 'G').eval()
        if strong:
            strengthen(self.net)
        batches = -(-max(slices, batch) // batch)
        self.series = fill((batches, batch, 1, side, side), 'x', 0.5, 1.0)

    def __call__(self):
        with torch.no_grad():
            return [self.net(b) for b in self.series]


def main(work, variant, width, batch, threads, runs, slices, side):
    torch.set_num_threads(threads)
    strong = variant == 'strong'
    run = Step(strong, width, batch, side) if work == 'step' else Forward(strong, width, batch, side, slices)
    first = [run() for _ in range(WARM_UP)]
    seconds, cpu = [], time.process_time()
    for _ in range(runs):
        begun = time.perf_counter()
        run()
        seconds.append(time.perf_counter() - begun)
    cpu = (time.process_time() - cpu) / runs
    print(json.dumps({'median_s': statistics.median(seconds), 'min_s': min(seconds), 'max_s': max(seconds), 'cpu_s': cpu,
                      'n': runs, 'peak_mib': resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
                      **({'losses': first} if work == 'step' else {'mean': torch.cat(first[-1]).double().mean().item()})}))


if __name__ == '__main__':
    main(*sys.argv[1:3], *map(int, sys.argv[3:]))
