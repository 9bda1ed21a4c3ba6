# SPDX-License-Identifier: LGPL-2.1-or-later
# bash. A colon ends a word for it, but not for nbdctl: it is asked for the line,
# and what it has taken off a word is taken off the answers.

_nbdctl()
{
	local line=${COMP_LINE:0:COMP_POINT} current kind prefix
	local _nbdctl_command _nbdctl_place _nbdctl_due _nbdctl_noun
	local -a _nbdctl_line _nbdctl_address

	COMPREPLY=()
	read -ra _nbdctl_line <<<"$line"
	case "$line" in
	*[[:blank:]]) current= ;;
	*)
		current=${_nbdctl_line[-1]}
		unset '_nbdctl_line[-1]' ;;
	esac
	_nbdctl_line=("${_nbdctl_line[@]:1}")
	_nbdctl_analyse
	case "$current" in
	--*=*)
		_nbdctl_due=${current%%=*}
		current=${current#*=} ;;
	esac
	kind=$(_nbdctl_kind "$current")
	mapfile -t COMPREPLY < <(compgen -W "$(_nbdctl_words "$kind")" \
		-- "$current")
	case "$kind" in
	file|disk)
		compopt -o filenames 2>/dev/null
		mapfile -t -O "${#COMPREPLY[@]}" COMPREPLY < \
			<(compgen -f -- "$current") ;;
	esac
	case "$current$COMP_WORDBREAKS" in
	*:*:*)
		prefix=${current%"${current##*:}"}
		COMPREPLY=("${COMPREPLY[@]#"$prefix"}") ;;
	esac
}

complete -F _nbdctl nbdctl
