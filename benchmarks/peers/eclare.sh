#!/usr/bin/env bash
# ECLARE (GPL-3.0) on the acquired volumes of a comparison, as a program of its own in an environment of its own.
#
#   benchmarks/peers/eclare.sh INPUTS OUTPUTS [N_PATCHES]
#
# INPUTS   folder that `monai-sr compare --save-inputs` wrote
# OUTPUTS  gets a result of the same name for each, how.txt (the budget), seconds.tsv and logs/; results that are there
#          are kept, so an interrupted run goes on
# N_PATCHES  training patches per volume; default 20000 (the program's own default is 1000000)
#
# From the environment: ECLARE_ENV (folder of its environment; default .venv-eclare in this checkout), ECLARE_PYTHON
# (Python 3.9 to 3.12 to make it with), ECLARE_PROFILE (gaussian, or rect for slab averages as of CT), ECLARE_BATCH (32),
# ECLARE_GPU (-1: the CPU). Exit code: 0, 1 if a volume failed, 2 for wrong use.
set -uo pipefail

VERSION=1.0.1
if [[ $# -lt 2 || $# -gt 3 || ! -d ${1:-} ]]; then
    sed -n '2,13s/^# \{0,1\}//p' "$0" >&2
    exit 2
fi
inputs=$1 outputs=$2 patches=${3:-20000}
root=$(cd "$(dirname "$0")/../.." && pwd)
environment=${ECLARE_ENV:-$root/.venv-eclare}
profile=${ECLARE_PROFILE:-gaussian} batch=${ECLARE_BATCH:-32} gpu=${ECLARE_GPU:--1}
[[ $patches =~ ^[1-9][0-9]*$ ]] || { echo "N_PATCHES is a positive whole number, got '$patches'" >&2; exit 2; }

mkdir -p "$outputs/logs" || exit 2
budget="$patches training patches per volume, batches of $batch, $profile profile"
if [[ -f $outputs/budget.txt && $(<"$outputs/budget.txt") != "$budget" ]]; then
    echo "$outputs holds results of another budget ($(<"$outputs/budget.txt")); take another folder" >&2
    exit 2
fi
echo "$budget" > "$outputs/budget.txt"

if [[ ! -x $environment/bin/run-eclare ]]; then
    echo "making $environment"
    # torch is named in the same command: this version of it is the one that was tried
    "${ECLARE_PYTHON:-python3}" -m venv "$environment" &&
        "$environment/bin/pip" install --quiet --disable-pip-version-check torch==2.13.0 "eclare==$VERSION" ||
        { echo "the environment could not be made" >&2; exit 1; }
fi

# The spacing of the coarse axis over that of the other two, or "skip" and why.
thickness() {
    "$environment/bin/python" - "$1" <<'PYTHON'
import sys
import nibabel
spacing = sorted(float(s) for s in nibabel.load(sys.argv[1]).header.get_zooms()[:3])
if len(spacing) < 3 or spacing[2] / spacing[1] < 1.05:
    print("skip: no coarse axis, or more than one")
elif spacing[1] / spacing[0] > 1.05:
    print("skip: three spacings that differ")
else:
    print(f"{spacing[2] / spacing[1]:.4g}")
PYTHON
}

processor=$(sed -n 's/^model name[^:]*: *//p' /proc/cpuinfo 2>/dev/null | head -n 1)
how() {
    local mean
    mean=$(awk -F'\t' '{ sum += $2; n++ } END { if (n) printf "%.0f s per volume (%d volumes)", sum / n, n; else print "no volume yet" }' \
        "$outputs/seconds.tsv" 2>/dev/null || echo "no volume yet")
    {
        echo "ECLARE $VERSION, $budget (its own default: 1000000 patches); training and restoring $mean" \
            "on ${processor:-$(uname -m)}, $([[ $gpu == -1 ]] && echo "${OMP_NUM_THREADS:-all} threads" || echo "GPU $gpu")"
        echo "Run as a program of its own (GPL-3.0), trained on each volume alone; slice thickness taken as the slice spacing."
        echo "Seconds of each volume: seconds.tsv; what the program printed: logs/."
        uname -srm
        "$environment/bin/pip" list --format=freeze --disable-pip-version-check 2>/dev/null | grep -E '^(torch|eclare|numpy|scipy)=='
    } > "$outputs/how.txt"
}

failed=0 found=0
for input in "$inputs"/*.nii.gz; do
    [[ -e $input ]] || continue
    found=1
    name=$(basename "$input" .nii.gz)
    result=$outputs/$name.nii.gz log=$outputs/logs/$name.log
    if [[ -f $result ]]; then echo "kept    $name"; continue; fi
    thick=$(thickness "$input" 2> "$log") || thick="skip: unreadable header"
    if [[ $thick == skip* ]]; then echo "$thick: $name" | tee "$log"; continue; fi
    work=$(mktemp -d) began=$(date +%s)
    # A name of its own: the program puts its suffix at every ".nii.gz" of a name, and ours may hold two.
    cp "$input" "$work/volume.nii.gz"
    echo "running $name, relative thickness $thick"
    if "$environment/bin/run-eclare" --in-fpath "$work/volume.nii.gz" --out-dir "$work/out" \
        --relative-slice-thickness "$thick" --relative-slice-profile-type "$profile" \
        --n-patches "$patches" --batch-size "$batch" --gpu-id "$gpu" --verbose > "$log" 2>&1 &&
        [[ -f $work/out/volume_eclare.nii.gz ]] &&
        mv "$work/out/volume_eclare.nii.gz" "$result.part" && mv "$result.part" "$result"; then
        seconds=$(($(date +%s) - began))
        printf '%s\t%s\n' "$name" "$seconds" >> "$outputs/seconds.tsv"
        echo "done    $name, $seconds s"
    else
        failed=1
        echo "failed  $name: $(tail -n 1 "$log")" >&2
    fi
    rm -rf "$work"
    how
done
how
[[ $found == 1 ]] || { echo "$inputs holds no .nii.gz file" >&2; exit 2; }
exit $failed
