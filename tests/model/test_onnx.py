#!/usr/bin/python3
"""ONNX files of every kind of generator: valid by python3-onnx, and equal to ours in onnxruntime.

    test_onnx.py WRITER FOLDER [NODE_MODULES]

WRITER (write_checkpoint.c) puts a folder for each kind into FOLDER. NODE_MODULES: a folder with onnxruntime-node; without it the
package is fetched by npm into FOLDER, or that half is left out where there is no npm. Exit code 77: neither half could be done.
"""
import glob
import json
import os
import shutil
import subprocess
import sys

try:
    import onnx
except ImportError:
    onnx = None

RUN = r"""
const ort = require('onnxruntime-node'), fs = require('fs');
const [folder, net, channels] = process.argv.slice(2);
const floats = f => { const b = fs.readFileSync(f); return new Float32Array(b.buffer, b.byteOffset, b.length / 4); };
const c = Number(channels), n = 3, last = floats(folder + '/input.f32'), wanted = floats(folder + '/' + net + '.f32');
const side = Math.round(Math.sqrt(last.length / n / c)), plane = side * side, first = new Float32Array(last.length);
for (let i = 0; i < n; ++i) for (let p = 0; p < plane; ++p) for (let k = 0; k < c; ++k)
    first[(i * c + k) * plane + p] = last[(i * plane + p) * c + k];
(async () => {
    const session = await ort.InferenceSession.create(folder + '/' + net + '.onnx');
    let worst = 0, spread = 0;
    for (const batch of [n, 1]) {                       // the batch is free
        const x = new ort.Tensor('float32', first.slice(0, batch * c * plane), [batch, c, side, side]);
        const y = (await session.run({ x })).y.data;
        for (let i = 0; i < batch; ++i) for (let p = 0; p < plane; ++p) for (let k = 0; k < c; ++k) {
            const ours = wanted[(i * plane + p) * c + k];
            worst = Math.max(worst, Math.abs(y[(i * c + k) * plane + p] - ours));
            spread = Math.max(spread, Math.abs(ours - wanted[0]));
        }
    }
    console.log(JSON.stringify({ side, worst, spread }));
})();
"""


def find_runtime(folder, given):
    if given and os.path.isdir(os.path.join(given, 'onnxruntime-node')):
        return given
    here = os.path.join(folder, 'npm')
    if not os.path.isdir(os.path.join(here, 'node_modules', 'onnxruntime-node')) and shutil.which('npm'):
        os.makedirs(here, exist_ok=True)
        with open(os.path.join(here, 'package.json'), 'w') as f:
            f.write('{"private": true}')
        subprocess.run(['npm', 'install', '--ignore-scripts', '--no-audit', '--no-fund', 'onnxruntime-node'], cwd=here,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=300)
    modules = os.path.join(here, 'node_modules')
    return modules if os.path.isdir(os.path.join(modules, 'onnxruntime-node')) else None


def channels_of(folder):
    with open(os.path.join(folder, 'model.safetensors'), 'rb') as f:
        header = json.loads(f.read(int.from_bytes(f.read(8), 'little')))
    return int(header['__metadata__']['channels'])


def check_file(path, channels):
    model = onnx.load(path)
    onnx.checker.check_model(model, full_check=True)     # infers all shapes, too
    said = {p.key: p.value for p in model.metadata_props}
    assert model.opset_import[0].version <= 17
    assert said['mrcycle.contract.contrasts'] == 'T1w,T2w' and said['mrcycle.contract.normalise'] == '0.5,95'
    assert said['mrcycle.hash'] and 'not for diagnosis' in said['mrcycle.warning']
    dims = model.graph.input[0].type.tensor_type.shape.dim
    assert dims[0].dim_param == 'batch' and dims[1].dim_value == channels
    free = int(said['mrcycle.side_step']) > 0
    assert (dims[2].dim_param == 'height') == free and (dims[2].dim_value == 0) == free
    return said


def main(writer, folder, modules=''):
    os.makedirs(folder, exist_ok=True)
    subprocess.run([writer, folder], check=True)
    kinds = sorted(os.path.dirname(f) for f in glob.glob(os.path.join(folder, '*', 'G.onnx')))
    assert len(kinds) >= 8
    modules = find_runtime(folder, modules)
    if onnx is None and modules is None:
        print('skipped: neither python3-onnx nor npm')
        sys.exit(77)
    if modules is None:
        print('onnxruntime: not asked, no npm')
    script = os.path.join(folder, 'run.js')
    with open(script, 'w') as f:
        f.write(RUN)
    for kind in kinds:
        for net in ('G', 'F'):
            channels = channels_of(kind)
            said = check_file(os.path.join(kind, net + '.onnx'), channels) if onnx else {}
            line = f'{os.path.basename(kind):18s} {net} {said.get("mrcycle.kind", ""):7s}'
            if modules:
                done = subprocess.run(['node', script, kind, net, str(channels)], env=dict(os.environ, NODE_PATH=modules),
                                      stdout=subprocess.PIPE, check=True)
                told = json.loads(done.stdout)
                line += f' side {told["side"]} largest difference {told["worst"]:.1e}'
                assert told['spread'] > 0.01, 'an image, not a constant'
                assert told['worst'] < 1e-4, (kind, net, told)
            print(line)


if __name__ == '__main__':
    main(*sys.argv[1:])
