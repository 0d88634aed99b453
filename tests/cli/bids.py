#!/usr/bin/python3
"""Many at once: `translate` of several inputs, and `bids` by participant and group. Refusals cost a row, a killed run goes on.

    bids.py MRCYCLE MAKE_INPUTS
"""
import csv
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time

mrcycle, make_inputs = sys.argv[1:3]
work = tempfile.mkdtemp()


def at(*parts):
    return os.path.join(work, *parts)


def run(*words, code=0):
    done = subprocess.run([mrcycle, *words], capture_output=True, text=True)
    assert done.returncode == code, (words, done.returncode, done.stdout, done.stderr)
    return done


def rows(path):
    with open(path, newline='') as f:
        return list(csv.DictReader(f, delimiter='\t', quoting=csv.QUOTE_NONE))


def files(folder):
    return sorted(os.path.join(d, n) for d, _, names in os.walk(folder) for n in names)


os.mkdir(at('in'))
subprocess.run([make_inputs, at('in')], check=True)
model = ['--model', at('in', 'model.safetensors')]
shutil.copy(at('in', 'model.safetensors'), at('model.safetensors'))
run('phantom', '-o', at('set'), '--subjects', '3', '--voxel', '6,6,6')
broken = at('set', 'sub-02', 'anat', 'sub-02_T1w.nii.gz')
whole = open(broken, 'rb').read()
open(broken, 'wb').write(whole[:len(whole) // 2])
out = at('derivative')
app = ['bids', at('set'), out, 'participant', *model]

# --- Nothing is written by a dry run, and nothing by a wrong label
done = run(*app, '--dry-run')
assert '3 to do' in done.stdout and not os.path.exists(out), done.stdout
assert 'no participant 09' in run(*app, '--participant-label', '09', code=20).stderr
run('bids', at('set'), at('set'), 'participant', *model, code=1)
assert 'expected one of participant, group' in run('bids', at('set'), out, 'both', code=1).stderr

# --- Two participants, one of them broken: one row more, and the exit code of its cause
done = run(*app, '--participant-label', '01', 'sub-02', '--skip-bids-validator', '--n-procs', '2', '-v', code=21)
assert '1 done, 1 refused' in done.stdout and 'sub-02' in done.stdout, done.stdout
result = os.path.join(out, 'sub-01', 'anat', 'sub-01_desc-synth_T2w.nii.gz')
sidecar = json.load(open(result.replace('.nii.gz', '.json')))
assert sidecar['SyntheticData'] and not os.path.exists(os.path.join(out, 'sub-02'))
about = json.load(open(os.path.join(out, 'dataset_description.json')))
assert about['DatasetType'] == 'derivative' and about['GeneratedBy'][0]['Name'] == 'mrcycle'
assert os.path.exists(os.path.join(out, 'reports', 'sub-01_desc-synth_T2w', 'report.html'))
made = os.stat(result).st_mtime_ns

# --- A second process has the third; the first's table stays as it is
run(*app, '--participant-label', '03', '-q')
done = run('bids', at('set'), out, 'group')
assert '2 done, 1 refused' in done.stdout, done.stdout
table = rows(os.path.join(out, 'synthesis.tsv'))
assert [r['participant_id'] for r in table] == ['sub-01', 'sub-02', 'sub-03']
assert [r['outcome'] for r in table] == ['done', 'refused', 'done'] and float(table[0]['cycle_error']) > 0
page = open(os.path.join(out, 'group.html')).read()
assert page.index('>refused<') < page.index('>done<') and page.count('data:image/png') == 2 and 'http' not in page.split('</style>')[1].replace('http://www.w3.org', '')

# --- Again: kept, with the seconds of the time it was made; the mended one is made; another model is not mixed in
open(broken, 'wb').write(whole)
seconds = table[0]['seconds']
done = run(*app)
assert '1 done, 2 kept' in done.stdout and os.stat(result).st_mtime_ns == made, done.stdout
run('bids', at('set'), out, 'group')
table = rows(os.path.join(out, 'synthesis.tsv'))
assert table[0]['seconds'] == seconds and [r['outcome'] for r in table] == ['kept', 'done', 'kept']
for contrast in ('T1w', 'T2w'):
    os.makedirs(at('pairs', contrast))
    shutil.copy(at('set', 'sub-01', 'anat', f'sub-01_{contrast}.nii.gz'), at('pairs', contrast))
run('train', at('pairs'), '-o', at('run'), '--epochs', '1', '--width', '4', '--disc-width', '4', '--preset', 'paper', '--size', '64', '-q')
done = run('bids', at('set'), out, 'participant', '--model', at('run'), '--participant-label', '01', code=40)
assert '--replace' in done.stdout and os.stat(result).st_mtime_ns == made
run('bids', at('set'), out, 'participant', '--model', at('run'), '--participant-label', '01', '--replace')
assert os.stat(result).st_mtime_ns != made

# --- Killed with the first result there: the same command goes on, and nothing half-made stays
out = at('killed')
app[2] = out
child = subprocess.Popen([mrcycle, *app, '-q'], stdout=subprocess.DEVNULL)
first = os.path.join(out, 'sub-01', 'anat', 'sub-01_desc-synth_T2w.nii.gz')
while child.poll() is None and not os.path.exists(first):
    time.sleep(0.01)
child.send_signal(signal.SIGKILL)
child.wait()
time.sleep(0.2)                                     # its children end with it
done = run(*app)
assert 'kept' in done.stdout and 'refused' not in done.stdout and 'failed' not in done.stdout, done.stdout
assert sum(name.endswith('_T2w.nii.gz') for name in files(out)) == 3
assert not [name for name in files(out) if '.tmp-' in name]
for subject in ('01', '02', '03'):
    a = open(os.path.join(out, f'sub-{subject}/anat/sub-{subject}_desc-synth_T2w.nii.gz'), 'rb').read()
    if subject != '01':                             # 01 was made by the other model at last
        assert a == open(at(f'derivative/sub-{subject}/anat/sub-{subject}_desc-synth_T2w.nii.gz'), 'rb').read()

# --- translate: files, folders and studies together
out = at('many')
one, study = at('set', 'sub-01', 'anat', 'sub-01_T1w.nii.gz'), at('set', 'sub-02', 'dicom')
words = ['translate', one, study, '-o', out, '--to', 'T2w', *model]
done = run(*words, '--jobs', '2')
assert '2 done, 3 not asked for' in done.stdout, done.stdout
assert os.path.exists(os.path.join(out, 'sub-01_T1w_synthetic_T2w.nii.gz'))
assert 'consistent' in run('check', os.path.join(out, 'dicom', 'T1w_synthetic_T2w')).stdout
table = {r['input']: r for r in rows(os.path.join(out, 'translations.tsv'))}
assert table[one]['outcome'] == 'done' and table[one]['output'] == 'sub-01_T1w_synthetic_T2w.nii.gz'
assert '2 kept' in run(*words).stdout
done = run('translate', one, at('set', 'sub-01', 'anat'), one, '-o', at('twice'), '--to', 'T2w', *model, code=1)
assert 'the place of two results' in done.stderr and not os.path.exists(at('twice', 'translations.tsv'))
assert '--series is of one input' in run(*words, '--series', '1', code=1).stderr
assert 'of several inputs' in run('translate', one, '-o', at('x.nii'), '--to', 'T2w', '--jobs', '2', code=1).stderr
open(at('set', 'bad.nii'), 'w').write('no image')
done = run('translate', at('set', 'bad.nii'), one, '-o', at('with_bad'), '--to', 'T2w', *model, code=21)
assert '1 done, 1 refused' in done.stdout, done.stdout
# --- The Boutiques descriptor knows the options that there are, and no others
with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), '../../share/boutiques/mrcycle-bids.json')) as f:
    boutiques = json.load(f)
known = {w.split('=')[0].rstrip(',') for w in run('help', 'bids').stdout.split() if w.startswith('--')}
flags = {i['command-line-flag'] for i in boutiques['inputs'] if 'command-line-flag' in i}
assert flags <= known and known - flags <= {'--quiet', '--verbose', '--help', '--usage', '--participant-label', '--session-label'}, known - flags
assert all(i['value-key'] in boutiques['command-line'] for i in boutiques['inputs'])
assert run('--version').stdout.split()[1] == boutiques['tool-version']
shutil.rmtree(work)
print('participants, group, shards, kill and resume, many inputs')
