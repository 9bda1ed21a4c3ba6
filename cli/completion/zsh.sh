# SPDX-License-Identifier: LGPL-2.1-or-later
# zsh, run in sh's manner, so that the functions before hold for it, too.

_nbdctl()
{
	emulate -L zsh
	setopt shwordsplit ksharrays
	local kind current=$PREFIX
	local _nbdctl_command _nbdctl_place _nbdctl_due _nbdctl_noun
	local -a _nbdctl_line _nbdctl_address found

	_nbdctl_line=("${words[@]:1:$((CURRENT - 2))}")
	_nbdctl_analyse
	case "$current" in
	--*=*)
		_nbdctl_due=${current%%=*}
		compset -P '*=' ;;
	esac
	kind=$(_nbdctl_kind "$current")
	found=($(_nbdctl_words "$kind"))
	compadd -- "${found[@]}"
	case "$kind" in
	file|disk) _files ;;
	esac
}

if [ "$funcstack[1]" = _nbdctl ]; then
	_nbdctl "$@"
else
	compdef _nbdctl nbdctl
fi
