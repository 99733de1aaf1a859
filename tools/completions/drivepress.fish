# SPDX-License-Identifier: GPL-3.0-or-later
# fish completion for drivepress

function __drivepress_images
    drivepress image list --json 2>/dev/null |
        string match -ra '"name": "[A-Za-z0-9._-]*"' | string split -f 4 '"'
end

function __drivepress_disks
    for disk in /sys/block/*
        echo /dev/(basename $disk)
    end
end

set -l press '__fish_seen_subcommand_from write verify; and not __fish_seen_subcommand_from image'

complete -c drivepress -n __fish_use_subcommand -f -a write -d 'write an image onto drives and verify them'
complete -c drivepress -n __fish_use_subcommand -f -a verify -d 'compare drives with an image'
complete -c drivepress -n __fish_use_subcommand -f -a image -d 'keep images by name'
complete -c drivepress -n __fish_use_subcommand -f -a help -d 'what a verb does and its options'
complete -c drivepress -n __fish_use_subcommand -f -l version -d 'the version of this program'
complete -c drivepress -n '__fish_seen_subcommand_from help' -f -a 'write verify image'

complete -c drivepress -n $press -a '(__drivepress_images)' -d image
complete -c drivepress -n $press -a '(__drivepress_disks)' -d drive
complete -c drivepress -n $press -s y -l yes -d 'do not ask before erasing drives'
complete -c drivepress -n $press -s q -l quiet -d 'no progress, only the summary at the end'
complete -c drivepress -n $press -l json -d 'print one JSON object at the end'
complete -c drivepress -n $press -l images -r -d 'where images are kept by name'
complete -c drivepress -n $press -l manifest -r -d "the image's manifest"
complete -c drivepress -n $press -l pool -x -d 'memory shared by all drives'
complete -c drivepress -n $press -l window -x -a '1 2 3 4' -d 'requests under way per drive'
complete -c drivepress -n $press -l engine -x -a 'auto io_uring threads' -d 'how drives are read and written'
complete -c drivepress -n $press -l stall-timeout -x -d 'give up on a drive that is silent for so long'
complete -c drivepress -n $press -l simulate -d 'TARGETs are files that play drives'
complete -c drivepress -n $press -l no-color -d 'no colours'
complete -c drivepress -n $press -s h -l help -d help

set -l image '__fish_seen_subcommand_from image'
complete -c drivepress -n "$image; and not __fish_seen_subcommand_from add list show verify" -f -a 'add list show verify'
complete -c drivepress -n "$image; and __fish_seen_subcommand_from show verify" -a '(__drivepress_images)'
complete -c drivepress -n "$image; and __fish_seen_subcommand_from add" -l name -x -d 'what to call it'
complete -c drivepress -n "$image; and __fish_seen_subcommand_from add" -l manifest-only -d 'copy nothing'
complete -c drivepress -n $image -l images -r -d 'the directory of the images'
complete -c drivepress -n $image -l json -d 'print one JSON object'
complete -c drivepress -n $image -l help -d help
