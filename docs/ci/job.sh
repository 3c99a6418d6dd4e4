#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# What a job of a CI system runs. It needs make and python3, and installs the rest itself.
#
#   docs/ci/job.sh shard I/N DIR COMMAND...   harness COMMAND... of the I-th of N shards, its results in DIR
#   docs/ci/job.sh report OUT DIR...          the results of all shards in OUT, OUT.xml (JUnit) and OUT.md
#
# The exit code is that of harness: 0 good, 1 a kernel is bad, 125 could not test.
set -eu
root=$(dirname "$0")/../..
make -s -C "$root" setup
eval "$(make -s -C "$root" env)"

what=$1
shift
case $what in
shard)
	shard=$1
	out=$2
	shift 2
	exec harness "$@" --shard "$shard" --out "$out"
	;;
report)
	out=$1
	shift
	status=0
	harness report merge "$@" --out "$out" --format junit -o "$out.xml" || status=$?
	harness report "$out" --format markdown -o "$out.md"
	exit "$status"
	;;
*)
	echo "$0: '$what': shard or report" >&2
	exit 129
	;;
esac
