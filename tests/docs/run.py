#!/usr/bin/python3
"""Runs the command lines of the README and of the documents by task, each document in an empty folder, and checks every link.

    run.py SOURCE MRCYCLE [LIBRARY]

Of a block ```console, lines that begin with "$ " are run, one after the other; of ```console not-run (networks, package managers, other
machines) the commands and options of mrcycle must exist. ```python is run where nibabel or torch are there. To be quick, phantoms are
coarse and networks small and trained for an epoch: the words of the document are followed by the options for that.
"""
import os
import re
import shutil
import subprocess
import sys
import tempfile

source, mrcycle = os.path.abspath(sys.argv[1]), os.path.abspath(sys.argv[2])
library = sys.argv[3] if len(sys.argv) > 3 else ''
DOCS = ['README.md'] + ['docs/' + n + '.md' for n in ('install', 'translate', 'bids', 'prepare', 'train', 'evaluate', 'deidentify', 'pacs',
                                                     'c-api', 'python', 'tutorial')]
QUICK = """#!/bin/sh
case $1 in
phantom) exec "{0}" "$@" --voxel 6,6,6 ;;
train) case " $* " in *' --repeat '*) exec "{0}" "$@" -q ;; esac
       exec "{0}" "$@" --epochs 1 --width 4 --disc-width 4 --warm-up 0 --batch 8 -q ;;
*) exec "{0}" "$@" ;;
esac
"""
wrong = []


def blocks(text):
    for m in re.finditer(r'^```(\w+)([^\n]*)\n(.*?)^```', text, re.S | re.M):
        yield m.group(1), m.group(2).strip(), m.group(3)


def commands(block):
    block = re.sub(r'\\\n\s*', '', block)
    return [line[2:] for line in block.split('\n') if line.startswith('$ ')]


options_of = {}


def known_options(command):
    if command not in options_of:
        told = subprocess.run([mrcycle, 'help', command], capture_output=True, text=True)
        options_of[command] = set(re.findall(r'(--[a-z][a-z0-9-]*|-[a-z](?=[, ]))', told.stdout)) if told.returncode == 0 else None
    return options_of[command]


def check_words(doc, line):
    """The command and its options exist."""
    for call in re.findall(r'mrcycle ([a-z]+)((?: [^|;&`\n]*)?)', line):
        known = known_options(call[0])
        if known is None:
            wrong.append(f'{doc}: no command {call[0]}: {line}')
            continue
        for word in re.findall(r'(?<=\s)(--?[a-z][a-z0-9-]*)', re.sub(r'\s#.*', '', call[1])):
            if word not in known:
                wrong.append(f'{doc}: {call[0]} has no {word}: {line}')


def check_links(doc, text):
    for target in re.findall(r'\]\(([^)\s]+)\)', text):
        if target.startswith(('http', 'mailto')):
            continue
        path, _, anchor = target.partition('#')
        whole = os.path.normpath(os.path.join(source, os.path.dirname(doc), path)) if path else os.path.join(source, doc)
        if not os.path.exists(whole):
            wrong.append(f'{doc}: leads to {target}, which is not there')
        elif anchor and whole.endswith('.md'):
            heads = [re.sub(r'[^\w\- ]', '', re.sub(r'\[([^\]]*)\]\([^)]*\)', r'\1', h)).strip().lower().replace(' ', '-')
                     for h in re.findall(r'^#+ (.*)', open(whole).read(), re.M)]
            if anchor not in heads:
                wrong.append(f'{doc}: leads to {target}, a heading that is not there')


def run_doc(doc, text, bin_folder):
    ran = 0
    with tempfile.TemporaryDirectory() as work:
        shutil.copy(os.path.join(source, 'sample_data/models/t1w-t2w-64.safetensors'), os.path.join(work, 'model.safetensors'))
        with open(os.path.join(work, 'mine.conf'), 'w') as f:
            f.write('ema = 0.999\nno-flip\n')
        with open(os.path.join(work, 'contrasts.tsv'), 'w') as f:
            f.write('SeriesDescription\tlocalizer\tunknown\n')
        environment = dict(os.environ, PATH=bin_folder + ':' + os.environ['PATH'], MRCYCLE_LIBRARY=library, PYTHONDONTWRITEBYTECODE='1',
                           PYTHONPATH=os.path.join(source, 'share/python'), ASAN_OPTIONS=os.environ.get('ASAN_OPTIONS', '') + ':detect_leaks=0')
        for kind, mark, block in blocks(text):
            if kind == 'console':
                for line in commands(block):
                    check_words(doc, line)
                    if mark == 'not-run':
                        continue
                    done = subprocess.run(['bash', '-c', line], cwd=work, env=environment, capture_output=True, text=True)
                    ran += 1
                    if done.returncode != 0:
                        wrong.append(f'{doc}: {line}: exit code {done.returncode}: {done.stderr.strip()[-300:]}')
            elif kind == 'python' and library:
                needs = [m for m in ('nibabel', 'torch') if re.search(rf'\b{m}\b', block)]
                if subprocess.run(['/usr/bin/python3', '-c', 'import numpy,' + ','.join(needs)], capture_output=True).returncode != 0:
                    continue
                if 'phantoms/' in block:
                    subprocess.run(['mrcycle', 'phantom', '-o', 'phantoms'], cwd=work, env=environment, check=True, capture_output=True)
                done = subprocess.run(['/usr/bin/python3', '-c', block], cwd=work, env=environment, capture_output=True, text=True)
                ran += 1
                if done.returncode != 0:
                    wrong.append(f'{doc}: {block}: {done.stderr.strip()[-300:]}')
    return ran


readme = open(os.path.join(source, 'README.md')).read()
if readme.count('\n') > 120:
    wrong.append(f'README.md has {readme.count(chr(10))} lines, expected at most 120')
with tempfile.TemporaryDirectory() as folder:
    with open(os.path.join(folder, 'mrcycle'), 'w') as f:
        f.write(QUICK.format(mrcycle))
    os.chmod(os.path.join(folder, 'mrcycle'), 0o755)
    total = 0
    for doc in DOCS:
        text = open(os.path.join(source, doc)).read()
        total += run_doc(doc, text, folder)
for name in sorted(os.listdir(os.path.join(source, 'docs'))) + ['../README.md']:
    if name.endswith('.md'):
        doc = os.path.normpath(os.path.join('docs', name))
        check_links(doc, open(os.path.join(source, doc)).read())
for line in wrong:
    print(line)
print(f'{len(DOCS)} documents, {total} commands run, {len(wrong)} wrong')
sys.exit(bool(wrong) or total < 40)
