#compdef probity
# SPDX-License-Identifier: Apache-2.0
# zsh completion for probity. Verbs and options are asked of the program itself.

local -a verbs options
local program=$words[1]

if (( CURRENT == 2 )) || [[ $words[2] == help ]]; then
	verbs=(${(f)"$($program --help 2>/dev/null | sed -n 's/^  \([a-z]\{2,\}\)  *\(.*\)/\1:\2/p')"})
	_describe verb verbs
	return
fi
if [[ $words[2] == policy ]] && (( CURRENT == 3 )); then
	verbs=(check test)
	_describe verb verbs
	return
fi
if [[ $words[CURRENT] == -* ]]; then
	local -a command=($program $words[2])
	[[ $words[2] == policy ]] && command+=($words[3])
	options=(${(f)"$($command --help 2>/dev/null |
		sed -n 's/^ *\(-[a-zA-Z], \)\{0,1\}\(--[a-z-]*\)\( [A-Z]*\)\{0,1\}  *\(.*\)/\2:\4/p')"})
	_describe option options
	return
fi
if [[ $words[2] == (approve|deny|revoke) ]]; then
	verbs=(${(f)"$($program approvals --json 2>/dev/null | sed -n 's/^ *"id": "\([a-z2-9]*\)".*/\1/p')"})
	_describe id verbs
	return
fi
_files
