# SPDX-License-Identifier: LGPL-2.1-or-later
# fish has a line for each word that it may offer, with the condition when.

function __nbdctl_ask
	set -l words (commandline -opc)
	set -l address
	for i in (seq 2 (count $words))
		if contains -- $words[$i] -a --address; and set -q words[(math $i + 1)]
			set address -a $words[(math $i + 1)]
		end
	end
	command nbdctl $address -t 2s $argv -o value 2>/dev/null </dev/null
end

# The words before the cursor that are no options nor their values.
function __nbdctl_plain
	set -l skip 0
	set -l words (commandline -opc)
	for word in $words[2..-1]
		if test $skip = 1
			set skip 0
		else if contains -- $word $__nbdctl_with_value
			set skip 1
		else if not string match -q -- '-?*' $word
			echo $word
		end
	end
end

# Are they these?
function __nbdctl_at
	set -l plain (__nbdctl_plain)
	test "$plain" = "$argv"
end

# Do they begin with these, and so many or more follow?
function __nbdctl_in
	set -l plain (__nbdctl_plain)
	set -l n (math (count $argv) - 1)
	test (count $plain) -ge (math $n + $argv[1]); or return 1
	set -l words $argv[2..-1]
	test "$plain[1..$n]" = "$words"
end

complete -c nbdctl -f
