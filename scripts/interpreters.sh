#!/usr/bin/env bash
# List the supported Python interpreters of this machine, lowest version first, one of each version:
#
#     $ scripts/interpreters.sh 3.11 3.12 3.13
#     3.11 3.11.7 /usr/bin/python3.11
#
# Candidates are names on PATH, `python3` before `python3.11`, then what stands below `pyenv root`.
# A candidate counts when it runs, is CPython and can make environments. A pyenv shim without a version does not run.
# With --choose first, print one line only: `python3` if its version is among those named, else the lowest found.
set -u
choose=
if [ "${1:-}" = --choose ]; then choose=yes; shift; fi
says='import ensurepip, platform, sys, venv
if platform.python_implementation() == "CPython":
    print("%d.%d" % sys.version_info[:2], platform.python_version(), sys.executable)'
root=${PYENV_ROOT:-$(pyenv root 2>/dev/null || echo "${HOME:-}/.pyenv")}

# Print the line of candidate $1 if it is of version $2.
line() {
	local says_it_is
	says_it_is=$("$1" -c "$says" 2>/dev/null) && [ "${says_it_is%% *}" = "$2" ] && echo "$says_it_is"
}

list() {
	local version candidate
	for version; do
		for candidate in python3 "python$version" "$root/versions/$version".*/bin/python; do
			line "$candidate" "$version" && break
		done
	done
	return 0
}

found=$(list "$@")
if [ -n "$choose" ]; then
	for version; do line python3 "$version" && exit; done
	found=${found%%$'\n'*}
fi
if [ -n "$found" ]; then echo "$found"; fi
