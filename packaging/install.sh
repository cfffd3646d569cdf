#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# usage: install.sh [--remove] BUILD DESTDIR PREFIX. Programs, units, the default policy, documents,
# man pages, completion. Keys, records and an edited policy are never touched.
set -eu
remove=
[ "$1" = --remove ] && { remove=1; shift; }
build=$1 dest=$2 prefix=$3
cd "$(dirname "$0")/.."

files() { # mode source target
	cat <<-END
	0755 $build/probityd $prefix/sbin/probityd
	0755 $build/probity-collector $prefix/sbin/probity-collector
	0755 $build/probity $prefix/bin/probity
	0644 packaging/systemd/probityd.service $prefix/lib/systemd/system/probityd.service
	0644 packaging/systemd/probity-collector.service $prefix/lib/systemd/system/probity-collector.service
	0644 packaging/systemd/probity-collector-stamp.service $prefix/lib/systemd/system/probity-collector-stamp.service
	0644 packaging/systemd/probity-collector-stamp.timer $prefix/lib/systemd/system/probity-collector-stamp.timer
	0644 packaging/systemd/probity.sysusers $prefix/lib/sysusers.d/probity.conf
	END
	for f in probity probityd probity-collector; do # loaded by the program's name
		echo "0644 packaging/completion/probity.bash $prefix/share/bash-completion/completions/$f"
	done
	echo "0644 packaging/completion/probity.zsh $prefix/share/zsh/vendor-completions/_probity"
	for f in policies/*.yaml policies/pack.schema.json; do
		[ "$f" = policies/catalog.yaml ] || echo "0644 $f $prefix/share/probity/$f"
	done
	# What the man pages name, under the names they give; for an auditor the format, and a verifier that
	# has nothing of ours.
	for f in README.md docs/*.md docs/*.svg docs/*.png docs/examples/* policies/reports/*.yaml \
		proto/record.proto proto/forward.proto tests/system/verify.py; do
		echo "0644 $f $prefix/share/doc/probity/$f"
	done
	for f in docs/man/*.[1-8]; do
		echo "0644 $f $prefix/share/man/man${f##*.}/$(basename "$f")"
	done
}

# What an agent left in force goes before its programs do. Refused by the guard of one that runs, or
# that --keep-enforcing left behind: then stop it, or `probity unlock`, first.
if [ -n "$remove" ] && [ -z "$dest" ] && [ -d /sys/fs/bpf/probity ]; then
	"$prefix/sbin/probityd" --unload
fi
files | while read -r mode from to; do
	if [ -n "$remove" ]; then
		rm -f "$dest$to"
	else
		install -D -m "$mode" "$from" "$dest$to"
	fi
done
[ -n "$remove" ] && exit 0
[ -e "$dest/etc/probity/policy.yaml" ] || install -D -m 0644 policies/observe.yaml "$dest/etc/probity/policy.yaml"
if [ -z "$dest" ] && command -v systemd-sysusers >/dev/null; then
	systemd-sysusers "$prefix/lib/sysusers.d/probity.conf"
fi
echo "installed. Next: probity-collector init, then systemctl enable --now probity-collector probityd"
