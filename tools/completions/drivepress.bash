# SPDX-License-Identifier: GPL-3.0-or-later
# bash completion for drivepress

_drivepress_images() {
    drivepress image list --json 2>/dev/null |
        grep -o '"name": "[A-Za-z0-9._-]*"' | cut -d '"' -f 4
}

_drivepress_slots() {
    drivepress slots list --json 2>/dev/null | grep -o '"name":"[^"\\]*"' | cut -d '"' -f 4
}

_drivepress_devices() {
    local disk
    for disk in /sys/block/*; do
        [ -e "$disk/size" ] && echo "/dev/${disk##*/}"
    done
}

_drivepress() {
    local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]}
    local options="--yes --quiet --json --images --manifest --pool --window --engine
        --stall-timeout --simulate --no-color --help"
    COMPREPLY=()
    if [ "$COMP_CWORD" -eq 1 ]; then
        mapfile -t COMPREPLY < <(compgen -W "write verify image status arm disarm start stop
            slots reload help --help --version" -- "$current")
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
        mapfile -t COMPREPLY < <(compgen -W "1 2 3 4" -- "$current")
        return
        ;;
    --engine)
        mapfile -t COMPREPLY < <(compgen -W "auto io_uring threads" -- "$current")
        return
        ;;
    --image)
        mapfile -t COMPREPLY < <(compgen -W "auto $(_drivepress_images)" -- "$current")
        return
        ;;
    --mode)
        mapfile -t COMPREPLY < <(compgen -W "write+verify write verify" -- "$current")
        return
        ;;
    --pool | --stall-timeout | --name | --columns | --prefix)
        return
        ;;
    esac
    case ${COMP_WORDS[1]} in
    help)
        mapfile -t COMPREPLY < <(compgen -W "write verify image status arm disarm start stop
            slots reload" -- "$current")
        ;;
    status)
        mapfile -t COMPREPLY < <(compgen -W "--json --no-color --socket --help" -- "$current")
        ;;
    arm)
        mapfile -t COMPREPLY < <(compgen -W "--image --mode --json --socket --help" -- "$current")
        ;;
    disarm | reload)
        mapfile -t COMPREPLY < <(compgen -W "--json --socket --help" -- "$current")
        ;;
    start | stop)
        if [[ $current == -* ]]; then
            mapfile -t COMPREPLY < <(compgen -W "--all --json --socket --help" -- "$current")
        else
            mapfile -t COMPREPLY < <(compgen -W "$(_drivepress_slots)" -- "$current")
        fi
        ;;
    slots)
        if [ "$COMP_CWORD" -eq 2 ]; then
            mapfile -t COMPREPLY < <(compgen -W "list learn claim" -- "$current")
            return
        fi
        case ${COMP_WORDS[2]} in
        list) options="--config --json --socket --help" ;;
        learn) options="--config --output --claim --columns --prefix --replace --yes --help" ;;
        claim) options="--config --claim --help" ;;
        *) options="" ;;
        esac
        mapfile -t COMPREPLY < <(compgen -W "$options" -- "$current")
        ;;
    image)
        if [ "$COMP_CWORD" -eq 2 ]; then
            mapfile -t COMPREPLY < <(compgen -W "add list show verify" -- "$current")
        elif [[ $current == -* ]]; then
            options="--images --json --help"
            [ "${COMP_WORDS[2]}" = add ] && options="$options --name --manifest-only"
            mapfile -t COMPREPLY < <(compgen -W "$options" -- "$current")
        elif [ "${COMP_WORDS[2]}" = show ] || [ "${COMP_WORDS[2]}" = verify ]; then
            mapfile -t COMPREPLY < <(compgen -W "$(_drivepress_images)" -- "$current"
                compgen -f -- "$current")
        elif [ "${COMP_WORDS[2]}" = add ]; then
            mapfile -t COMPREPLY < <(compgen -f -- "$current")
        fi
        ;;
    write | verify)
        if [[ $current == -* ]]; then
            mapfile -t COMPREPLY < <(compgen -W "$options" -- "$current")
        elif [[ $current == /dev/* && $current != /dev/*/* ]]; then
            mapfile -t COMPREPLY < <(compgen -W "$(_drivepress_devices)" -- "$current")
        else
            mapfile -t COMPREPLY < <(compgen -W "$(_drivepress_images)" -- "$current"
                compgen -f -- "$current")
        fi
        ;;
    esac
}

complete -o filenames -F _drivepress drivepress
