# Runs in POSIX sh at the other side of a connection, with the programs of GNU or busybox.
# The first line of stdin was this script. The rest of stdin is input for a file or a command; the
# end of stdin means that the caller is gone. The caller sets token and root.

# Ends both outputs with a mark, because processes left over may hold the outputs open.
finish() {
    printf '\000%s %s\n' "$token" "$1"
    printf '\000%s %s\n' "$token" "$1" >&2
    exit 0
}

# describe [TOP]: prints the working folder, the operating system, and the paths of programs (empty if
# missing). With TOP, the folder is made below TOP, without links.
describe() {
    [ -z "${1-}" ] || make_below "$1"
    cd "$root" 2>/dev/null || finish missing
    pwd -P
    uname -s
    uname -r
    command -v bash || command -v sh
    for program in setsid rg python3; do command -v "$program" || echo; done
    finish 0
}

# Sets real to the target of an absolute path, whose parent folder has to exist; the target has to be
# in the working folder. Some versions of
# `readlink -f` resolve links to missing files wrongly.
follow() {
    real=$1 links=0
    until [ -d "$real" ]; do
        folder=$(cd -P "${real%/*}/" && pwd -P) || finish missing
        real=${folder%/}/${real##*/}
        [ -L "$real" ] || break
        [ $((links += 1)) -le 40 ] || finish missing
        target=$(readlink "$real")
        case $target in /*) real=$target ;; *) real=$folder/$target ;; esac
    done
    [ ! -d "$real" ] || real=$(cd -P "$real" && pwd -P) || finish failed
    case $real/ in "${root%/}"/*) ;; *) finish outside ;; esac
}

require_regular() {
    [ -e "$real" ] || finish missing
    [ ! -d "$real" ] || finish folder
    [ -f "$real" ] || finish special
}

enter() {
    follow "$root/$1"
    [ -e "$real" ] || finish missing
    [ -d "$real" ] || finish no_folder
    cd "$real" || finish failed
}

# read_file PATH BYTES
read_file() {
    follow "$root/$1"
    require_regular
    head -c "$2" "$real" || finish failed
    finish 0
}

# write_file PATH BYTES SOURCE: replaces the file at once, and keeps its permissions; a new file gets
# the permissions of SOURCE, if given.
write_file() {
    real=
    [ -z "$3" ] || follow "$root/$3"
    like=$real
    above=$root/$1
    until [ -e "$above" ] || [ -L "$above" ]; do above=${above%/*}; done
    missing=$root/$1
    missing=${missing#"$above"}
    follow "$above"
    real=$real$missing
    [ ! -e "$real" ] || require_regular
    new=${real%/*}/.attractor-$token.tmp
    trap 'rm -f "$new"' EXIT
    mkdir -p "${real%/*}" || finish failed
    [ ! -e "$real" ] || like=$real
    [ -z "$like" ] || cp -p "$like" "$new" || finish failed
    head -c "$2" >"$new" || finish failed
    [ "$(wc -c <"$new")" -eq "$2" ] || exit 1 # the sender is gone
    mv -f "$new" "$real" || finish failed
    finish 0
}

# delete_file PATH: removes a link, but not its target.
delete_file() {
    case $1 in */*) follow "$root/${1%/*}" ;; *) follow "$root" ;; esac
    real=$real/${1##*/}
    [ -L "$real" ] || [ -e "$real" ] || finish missing
    [ -L "$real" ] || [ ! -d "$real" ] || finish folder
    rm -f "$real" || finish failed
    finish 0
}

# require_there PATH: prints whether the path is a folder.
require_there() {
    follow "$root/$1"
    [ -e "$real" ] || finish missing
    [ ! -d "$real" ] || echo folder
    finish 0
}

# find_files FOLDER MOST TEST...: prints mode, size, time and path; find's tests choose the files.
find_files() {
    enter "$1"
    most=$2
    shift 2
    TZ=UTC0 find . "$@" -exec stat -c '%f %s %y %n' {} + 2>/dev/null | head -n "$most"
    finish 0
}

# grep_files BYTES PATTERN SWITCH...: searches the files whose names, ended by zeros, are in BYTES of
# stdin; long lines are cut, and files without a match are not counted.
grep_files() {
    cd "$root" || finish failed
    size=$1 pattern=$2
    shift 2
    grep -E -e "$pattern" /dev/null
    [ $? -lt 2 ] || finish pattern
    head -c "$size" | xargs -0 grep -EHIs "$@" -e "$pattern" -- /dev/null |
        { [ "$1" != -c ] && cut -b 1-600 || grep -v ':0$'; }
    finish 0
}

# run FOLDER SHELL MERGED BYTES COMMAND [NAME=VALUE...]: BYTES of stdin are input for the command.
run() {
    enter "$1"
    shell=$2 merged=$3 size=$4 command=$5
    shift 5
    input=/dev/null
    if [ "$size" -gt 0 ]; then
        { input=$(mktemp) && head -c "$size" >"$input"; } || finish failed
    fi
    exec 3<&0 4<"$input" 5>&2 6>&2 2>/dev/null # some shells report killed jobs
    [ "$input" = /dev/null ] || rm -f "$input"
    [ -z "$merged" ] || exec 6>&1
    (
        for variable; do export "$variable"; done
        exec setsid "$shell" -c "$command"
    ) <&4 2>&6 3<&- 4<&- 5>&- 6>&- &
    child=$!
    (
        while read -r _; do kill -KILL "-$child"; done
        stop
    ) <&3 >/dev/null 3<&- 4<&- 5>&- 6>&- &
    watcher=$!
    wait "$child"
    status=$?
    kill -s KILL "$watcher"
    wait "$watcher"
    # In `program > >(tee log)`, tee may still print.
    if is_alive; then
        sleep 0.2
        stop
    fi
    exec 2>&5
    finish "$status"
}

# Not `kill -s 0 --`, which some versions of busybox refuse.
# Returns whether the process group of the command has living members. Dead ones remain until their
# parent looks, which never happens in some containers.
is_alive() {
    kill -0 "-$child" || return 1
    [ ! -r /proc/1/stat ] ||
        cat /proc/[0-9]*/stat | sed 's/.*) //' | grep -q "^[^XZ] [0-9]* $child "
}

# Terminates the process group of the command, and kills it two seconds later.
stop() {
    # Until setsid has started, there is no such group.
    kill -TERM "-$child" || kill -s TERM "$child" || return 0
    tries=0
    while [ "$tries" -lt 20 ]; do
        sleep 0.1
        is_alive || return 0
        tries=$((tries + 1))
    done
    kill -KILL "-$child"
}

# kill_marked NAME=VALUE: kills the processes with this variable, wherever they went.
kill_marked() {
    tries=0
    while [ "$tries" -lt 20 ]; do
        found=$(grep -ls "$1" /proc/[0-9]*/environ)
        [ "$found" ] || break
        for one in $found; do
            one=${one#/proc/}
            kill -s KILL "${one%/environ}" 2>/dev/null
        done
        sleep 0.1
        tries=$((tries + 1))
    done
    finish 0
}

make_below() {
    top=$1
    case $root in "~"/*) root=$HOME${root#?} top=$HOME${top#?} ;; esac
    [ ! -L "$top" ] || finish link
    (umask 077 && mkdir -p "$root") || finish failed
    real=$(cd -P "$top" && pwd -P)
    [ "$(cd -P "$root" && pwd -P)" = "${real%/}/${root#"$top"/}" ] || finish link
}

# list_tree: prints the time, and mode, size, times and path of everything that is no folder. A path
# ends with two slashes, which no path contains.
list_tree() {
    cd "$root" || finish failed
    date +%s
    find . -name .git -prune -o ! -type d -exec stat -c '%f %s %Y %Z %n//' {} + || finish failed
    finish 0
}

# remove_paths BYTES: removes the paths, ended by zeros, in BYTES of stdin.
remove_paths() {
    cd "$root" || finish failed
    head -c "$1" | xargs -0 rm -rf -- || finish failed
    finish 0
}

# remove_empty BYTES: removes those folders that are empty.
remove_empty() {
    cd "$root" || finish failed
    head -c "$1" | xargs -0 rmdir -- 2>/dev/null
    finish 0
}

# pack BYTES: prints archives of the files whose names, ended by zeros, are in BYTES of stdin.
pack() {
    cd "$root" || finish failed
    head -c "$1" | xargs -0 tar -cf - || finish failed
    finish 0
}

# unpack BYTES: writes the files of an archive; their time is now, as this clock has it.
unpack() {
    cd "$root" || finish failed
    head -c "$1" | tar -xmof - || finish failed
    finish 0
}

# examine PROGRAM...: prints the time, the free KiB and the paths of programs, and writes a probe.
examine() {
    cd "$root" || finish failed
    date +%s
    df -Pk . | sed -n '$s/^[^ ]* *[0-9]* *[0-9]* *\([0-9]*\).*/\1/p'
    for program; do command -v "$program" || echo; done
    probe=.attractor-$token.tmp
    trap 'rm -f "$probe"' EXIT
    head -c 65536 /dev/zero >"$probe" || finish failed
    finish 0
}
