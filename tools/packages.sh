# Sourced by the launchers beside it: the Debian packages of bindep.txt.

policy=

# For when a launcher ends, however it does.
packages_cleanup() {
    [ -n "$policy" ] && rm -f "$policy"
    policy=
}

# Debian packages that the tests want and this machine lacks.
missing_packages() {
    local name rest
    while read -r name rest; do
        [[ $rest == *test* && $name != '#'* ]] || continue
        dpkg-query -W -f '${Status}' "$name" 2>/dev/null |
            grep -q 'ok installed' || printf '%s\n' "$name"
    done <bindep.txt
}

# install_packages LOG: installs what is missing, as root; LOG is a file.
install_packages() {
    local log=$1 missing ok=0
    # Elsewhere the tests themselves say what they do not find.
    command -v dpkg-query >/dev/null || return 0
    mapfile -t missing < <(missing_packages)
    [ ${#missing[@]} -eq 0 ] && return
    if [ "$(id -u)" -ne 0 ]; then
        say "Not installed here, and not root to do it: ${missing[*]}."
        return
    fi
    say "Installing ${missing[*]}."
    # Packages want to start their service at once. They ask this file; where
    # the machine has one already, its word holds.
    if [ ! -e /usr/sbin/policy-rc.d ]; then
        policy=/usr/sbin/policy-rc.d
        printf '#!/bin/sh\nexit 101\n' >$policy && chmod 755 $policy
    fi
    export DEBIAN_FRONTEND=noninteractive
    {
        apt-get -qq update
        # Not at the price of what is there: MySQL excludes MariaDB.
        RUNLEVEL=1 apt-get -qq -y -o DPkg::Lock::Timeout=300 install \
            --no-install-recommends --no-remove "${missing[@]}"
    } >"$log" 2>&1 </dev/null || ok=$?
    [ -n "$policy" ] && rm -f "$policy"
    policy=
    if [ "$ok" -ne 0 ]; then
        say 'The packages could not be installed:'
        tail -n 15 "$log" >&2
    fi
}
