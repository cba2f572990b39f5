#!/usr/bin/env bash
# Runs ECLARE, a program of others, on acquired volumes: benchmarks/peers/README.md.
#
#   benchmarks/peers/eclare.sh INPUTS OUTPUTS [N_PATCHES]
#
# INPUTS     folder of *.nii.gz, as monai-sr compare --save-inputs writes them; one axis of each must be coarse
# OUTPUTS    gets <name>.nii.gz for each, logs/ and how.txt; files that it holds are not computed again
# N_PATCHES  training budget per volume, 20000 unless given (ECLARE's own: 1000000)
#
# ECLARE_ENV      folder of its environment (.venv-eclare of this repository; made where it is missing)
# ECLARE_PROFILE  slice profile, one spacing wide: gaussian (MR, the default) or boxcar (CT)
# PYTHON          which python makes the environment (python3)
set -u -o pipefail

if [ $# -lt 2 ] || [ ! -d "$1" ]; then
  sed -n '2,13s/^# \{0,1\}//p' "$0" >&2
  exit 2
fi
inputs=$(cd "$1" && pwd)
mkdir -p "$2/logs"
outputs=$(cd "$2" && pwd)
patches=${3:-20000}
batch=32
profile=${ECLARE_PROFILE:-gaussian}
version=1.0.1
env=${ECLARE_ENV:-$(cd "$(dirname "$0")/../.." && pwd)/.venv-eclare}

if [ ! -x "$env/bin/run-eclare" ]; then
  # torch in the same command: a later one could replace it
  "${PYTHON:-python3}" -m venv "$env" && "$env/bin/pip" install --quiet "torch==2.13.0" "eclare==$version" || exit 2
fi

cpu=$(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo 2>/dev/null | head -n 1)
machine="${cpu:-$(uname -m)}, $(getconf _NPROCESSORS_ONLN) cores, CPU only"
failed=0
for file in "$inputs"/*.nii.gz; do
  name=$(basename "$file")
  # the spacing of the coarse axis over that of the finest; nothing where not exactly one axis is coarse
  thickness=$("$env/bin/python" - "$file" <<'PY'
import sys
import nibabel
finest, middle, coarsest = sorted(float(s) for s in nibabel.load(sys.argv[1]).header.get_zooms()[:3])
if coarsest > 1.2 * middle and middle < 1.05 * finest:
    print(round(coarsest / finest, 3))
PY
  )
  if [ -z "$thickness" ]; then
    echo "left out $name: not exactly one coarse axis"
    continue
  fi
  if [ -e "$outputs/$name" ]; then
    echo "done before $name"
    continue
  fi
  work=$(mktemp -d)
  cp "$file" "$work/volume.nii.gz"  # a plain name: ECLARE puts its suffix before every ".nii" of a name
  began=$(date +%s)
  if "$env/bin/run-eclare" --in-fpath "$work/volume.nii.gz" --out-dir "$work" --suffix _out \
      --relative-slice-thickness "$thickness" --relative-slice-profile-type "$profile" \
      --n-patches "$patches" --batch-size "$batch" > "$outputs/logs/$name.txt" 2>&1 \
      && mv "$work/volume_out.nii.gz" "$outputs/$name"; then
    seconds=$(($(date +%s) - began))
    echo "$name: $patches patches, thickness $thickness $profile, $seconds s" | tee -a "$outputs/volumes.txt"
  else
    failed=$((failed + 1))
    echo "failed $name: $outputs/logs/$name.txt ends with: $(tail -n 1 "$outputs/logs/$name.txt")"
  fi
  rm -rf "$work"
  if [ -s "$outputs/volumes.txt" ]; then
    # of the volumes themselves: an earlier call may have had another budget
    budget=$(sed 's/.*: \([0-9]*\) patches.*/\1/' "$outputs/volumes.txt" | sort -nu | paste -sd/ -)
    mean=$(awk '{total += $(NF - 1)} END {printf "%.0f", total / NR}' "$outputs/volumes.txt")
    {
      echo "ECLARE $version, trained on each volume: reduced budget of $budget patches in batches of $batch" \
        "(its default is 1000000), $mean s per volume on $machine"
      cat "$outputs/volumes.txt"
    } > "$outputs/how.txt"
  fi
done
[ "$failed" -eq 0 ]
