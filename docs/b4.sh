#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# What b4 runs for a series under review (b4.review-series-check-cmd), in the maintainer's tree:
#
#   docs/b4.sh WORDS...   harness gate of the series against what it is on top of, with these words, as b4 reads it
#
# b4 has applied the series to its branch, whose last commit is b4's own, and says where in B4_TRACKING_FILE.
# The runs stay where the answer says, for whoever looks closer.
set -eu
root=$(dirname "$(realpath "$0")")/..
make -s -C "$root" setup >&2
eval "$(make -s -C "$root" env)"

said() {
	python3 -c 'import json, sys; print(json.load(open(sys.argv[1]))["series"][sys.argv[2]])' "$B4_TRACKING_FILE" "$1"
}
out=$(mktemp -d)
base=$(said first-patch-commit)~1
head=b4/review/$(said change-id)~1
harness gate --tree . --base "$base" --head "$head" --out "$out" "$@" >&2 || true
exec harness report "$out" --format b4
