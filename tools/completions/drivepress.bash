# SPDX-License-Identifier: GPL-3.0-or-later
# bash completion for drivepress

# compgen -W expands its words as a command line: it gets only words of this file. What others have
# named goes through _drivepress_offer, and only names that need no quotes are offered at all.

_drivepress_images() {
    drivepress image list --json 2>/dev/null |
        grep -o '"name": "[A-Za-z0-9][A-Za-z0-9._-]*"' | cut -d '"' -f 4
}

_drivepress_slots() {
    drivepress slots list --json 2>/dev/null |
        grep -o '"name":"[A-Za-z0-9][A-Za-z0-9._+~-]*"' | cut -d '"' -f 4
}

_drivepress_devices() {
    local disk
    for disk in /sys/block/*; do
        [ -e "$disk/size" ] && echo "/dev/${disk##*/}"
    done
}

# Adds those of the names on the input, one a line, that begin with the word so far.
_drivepress_offer() {
    local name
    while IFS= read -r name; do
        [[ $name == "$1"* ]] && COMPREPLY+=("$name")
    done
}

_drivepress_words() {
    _drivepress_offer "$2" < <(compgen -W "$1" -- "$2")
}

_drivepress() {
    local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]}
    local options="--yes --quiet --json --images --manifest --pool --window --engine
        --stall-timeout --simulate --no-color --help"
    COMPREPLY=()
    if [ "$COMP_CWORD" -eq 1 ]; then
        _drivepress_words "write verify image status arm disarm start stop slots reload help
            --help --version" "$current"
        return
    fi
    case $previous in
    --images)
        mapfile -t COMPREPLY < <(compgen -d -- "$current")
        return
        ;;
    --manifest | --config | --output | --claim | --socket)
        mapfile -t COMPREPLY < <(compgen -f -- "$current")
        return
        ;;
    --window)
        _drivepress_words "1 2 3 4" "$current"
        return
        ;;
    --engine)
        _drivepress_words "auto io_uring threads" "$current"
        return
        ;;
    --image)
        _drivepress_words auto "$current"
        _drivepress_offer "$current" < <(_drivepress_images)
        return
        ;;
    --mode)
        _drivepress_words "write+verify write verify" "$current"
        return
        ;;
    --pool | --stall-timeout | --name | --columns | --prefix)
        return
        ;;
    esac
    case ${COMP_WORDS[1]} in
    help)
        _drivepress_words "write verify image status arm disarm start stop slots reload" "$current"
        ;;
    status)
        _drivepress_words "--json --no-color --socket --help" "$current"
        ;;
    arm)
        _drivepress_words "--image --mode --json --socket --help" "$current"
        ;;
    disarm | reload)
        _drivepress_words "--json --socket --help" "$current"
        ;;
    start | stop)
        if [[ $current == -* ]]; then
            _drivepress_words "--all --json --socket --help" "$current"
        else
            _drivepress_offer "$current" < <(_drivepress_slots)
        fi
        ;;
    slots)
        if [ "$COMP_CWORD" -eq 2 ]; then
            _drivepress_words "list learn claim" "$current"
            return
        fi
        case ${COMP_WORDS[2]} in
        list) options="--config --json --socket --help" ;;
        learn) options="--config --output --claim --columns --prefix --replace --yes --help" ;;
        claim) options="--config --claim --yes --help" ;;
        *) options="" ;;
        esac
        _drivepress_words "$options" "$current"
        ;;
    image)
        if [ "$COMP_CWORD" -eq 2 ]; then
            _drivepress_words "add list show verify" "$current"
        elif [[ $current == -* ]]; then
            options="--images --json --help"
            [ "${COMP_WORDS[2]}" = add ] && options="$options --name --manifest-only"
            _drivepress_words "$options" "$current"
        elif [ "${COMP_WORDS[2]}" = show ] || [ "${COMP_WORDS[2]}" = verify ]; then
            mapfile -t COMPREPLY < <(compgen -f -- "$current")
            _drivepress_offer "$current" < <(_drivepress_images)
        elif [ "${COMP_WORDS[2]}" = add ]; then
            mapfile -t COMPREPLY < <(compgen -f -- "$current")
        fi
        ;;
    write | verify)
        if [[ $current == -* ]]; then
            _drivepress_words "$options" "$current"
        elif [[ $current == /dev/* && $current != /dev/*/* ]]; then
            _drivepress_offer "$current" < <(_drivepress_devices)
        else
            mapfile -t COMPREPLY < <(compgen -f -- "$current")
            _drivepress_offer "$current" < <(_drivepress_images)
        fi
        ;;
    esac
}

complete -o filenames -F _drivepress drivepress
