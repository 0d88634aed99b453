#!/usr/bin/env bash
# team.sh MRCYCLE MAKE_INPUTS MRCYCLE_WITH_MPI: several processes train what one does, and a lost one leaves a run that can go on.
set -euo pipefail

alone=$1
team=$3
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

fail() { printf '%s\n' "$*"; exit 1; }

# A build without MPI does not train the same run several times over.
if [ "$alone" != "$team" ]; then
    code=0
    OMPI_COMM_WORLD_SIZE=2 "$alone" train "$work" -o "$work/never" 2>"$work/stderr" || code=$?
    [ "$code" -eq 22 ] || fail "without MPI under mpirun: exit code $code, expected 22: $(cat "$work/stderr")"
    grep -q "started by mpirun as one of 2" "$work/stderr" || fail "said $(cat "$work/stderr")"
    [ ! -e "$work/never" ] || fail "without MPI under mpirun: the run was begun"
fi
[ "$team" != none ] || { printf 'skipped: no MPI found when this was built (libopenmpi-dev)\n'; exit 77; }
command -v mpirun >/dev/null || { printf 'skipped: no mpirun (openmpi-bin)\n'; exit 77; }

export ASAN_OPTIONS=detect_leaks=0 # of MPI's own
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
ranks() { mpirun --oversubscribe --mca btl self,vader --mca btl_vader_single_copy_mechanism none -n "$@"; }

mkdir -p "$work/in" "$work/set/T1w" "$work/set/T2w"
"$2" "$work/in"
cp "$work/in/axial.nii.gz" "$work/set/T1w/"
cp "$work/in/t2.nii.gz" "$work/set/T2w/"
options=(--allow-synthetic --size 32 --generator local --disc-width 4 --batch 4 --gamma 1.5 --ema 0.9 --sample-every 0 --threads 1)
train() { local program=("${@:2}"); "${program[@]}" train "$work/set" -o "$work/$1" "${options[@]}" "${more[@]}"; }

more=(--epochs 2 -q --warm-up 6 --r1 1) # ten steps: the eighth has a penalty
train one "$team" >/dev/null
for n in 2 4; do
    [ "$(train "of$n" ranks "$n" "$team")" = "$work/of$n/model.safetensors" ] || fail "$n processes do not print one path"
done
train again ranks 4 "$team" >/dev/null
cmp "$work/of4/checkpoints/last.safetensors" "$work/again/checkpoints/last.safetensors" || fail "4 processes: another run, other bytes"
/usr/bin/env python3 - "$work" <<'PYTHON' || fail "several processes do not train what one does"
import json, struct, sys
def weights(run):
    with open(f"{sys.argv[1]}/{run}/checkpoints/last.safetensors", "rb") as f:
        header = json.loads(f.read(struct.unpack("<Q", f.read(8))[0]))
        data = f.read()
    header.pop("__metadata__")
    return {name: struct.unpack(f"<{(t['data_offsets'][1] - t['data_offsets'][0]) // 4}f",
                                data[t["data_offsets"][0]:t["data_offsets"][1]]) for name, t in header.items()}
def losses(run):
    with open(f"{sys.argv[1]}/{run}/log.csv") as f:
        return [float(v) for row in f.read().split("\n")[1:3] for v in row.split(",")[4:]]
one, start = weights("one"), None
for n in (2, 4):
    many = weights(f"of{n}")
    assert one.keys() == many.keys()
    # the first moments are means of gradients: they compare gradients, which Adam's steps would not
    for net in ("G", "F", "D_X", "D_Y"):
        names = [name for name in one if name.startswith(net + ".adam_m.")]
        scale = max(max(map(abs, one[name])) for name in names)  # biases before a norm have no gradient but rounding
        worst = max(max(abs(a - b) for a, b in zip(one[name], many[name])) for name in names) / scale
        assert worst < 1e-4, (n, net, worst)
        print(n, "processes", net, "gradients differ by", worst, "of the largest")
    for a, b in zip(losses("one"), losses(f"of{n}")):
        assert abs(a - b) <= 1e-4 * max(abs(a), 0.01), (n, a, b)
PYTHON

# A batch that cannot be dealt evenly.
code=0
(more=(--epochs 1 -q --batch 3); train odd ranks 2 "$team") >/dev/null 2>"$work/stderr" || code=$?
[ "$code" -eq 1 ] || fail "batch 3 for 2 processes: exit code $code, expected 1: $(cat "$work/stderr")"
grep -q "batch is 3, expected a multiple of the 2 processes" "$work/stderr" || fail "said $(cat "$work/stderr")"
[ ! -e "$work/odd" ] || fail "batch 3 for 2 processes: the run was begun"

# A process that is killed ends the job; the run goes on from the last whole step.
more=(--epochs 100000)
train lost ranks 2 "$team" </dev/null >/dev/null 2>"$work/stderr" &
child=$!
for _ in $(seq 2400); do [ ! -s "$work/lost/log.csv" ] || break; sleep 0.05; done
[ -s "$work/lost/log.csv" ] || { kill "$child"; fail "2 processes made no epoch: $(cat "$work/stderr")"; }
victim=$(for p in $(pgrep -f "$work/lost"); do tr '\0' '\n' <"/proc/$p/environ" 2>/dev/null | grep -qx OMPI_COMM_WORLD_RANK=1 && echo "$p"; done | head -n 1)
[ -n "$victim" ] || fail "rank 1 was not found"
kill -KILL "$victim"
code=0
wait "$child" || code=$?
[ "$code" -ne 0 ] || fail "a process was lost: exit code 0"
grep -q "is lost or was stopped\|exited on signal 9" "$work/stderr" || fail "a process was lost: said $(tail -n 5 "$work/stderr")"
[ -s "$work/lost/checkpoints/last.safetensors" ] || fail "a process was lost: no checkpoint: $(tail -n 5 "$work/stderr")"
epochs=$(($(wc -l <"$work/lost/log.csv") + 1))
more=(--epochs "$epochs" -q --resume)
train lost ranks 2 "$team" >/dev/null
[ -s "$work/lost/model.safetensors" ] || fail "the run did not go on"
printf 'good\n'
