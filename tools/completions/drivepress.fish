# SPDX-License-Identifier: GPL-3.0-or-later
# fish completion for drivepress
#
# fish takes what a command in a completion prints as words, and evaluates none of it. Only names
# that need no quotes are offered.

function __drivepress_images
    drivepress image list --json 2>/dev/null |
        string match -ra '"name": "[A-Za-z0-9][A-Za-z0-9._-]*"' | string split -f 4 '"'
end

function __drivepress_slots
    drivepress slots list --json 2>/dev/null |
        string match -ra '"name":"[A-Za-z0-9][A-Za-z0-9._+~-]*"' | string split -f 4 '"'
end

# Whether the verb, the first word, is one of these.
function __drivepress_verb
    set -l words (commandline -opc)
    test (count $words) -gt 1; and contains -- $words[2] $argv
end

# Whether the verb is `slots` and the word behind it one of these.
function __drivepress_slots_verb
    set -l words (commandline -opc)
    test (count $words) -gt 2; and test $words[2] = slots; and contains -- $words[3] $argv
end

function __drivepress_disks
    for disk in /sys/block/*
        echo /dev/(basename $disk)
    end
end

set -l press '__drivepress_verb write verify'

complete -c drivepress -n __fish_use_subcommand -f -a write -d 'write an image onto drives and verify them'
complete -c drivepress -n __fish_use_subcommand -f -a verify -d 'compare drives with an image'
complete -c drivepress -n __fish_use_subcommand -f -a image -d 'keep images by name'
complete -c drivepress -n __fish_use_subcommand -f -a status -d 'show the rig and every drive in it'
complete -c drivepress -n __fish_use_subcommand -f -a arm -d 'start every drive that is plugged in from now on'
complete -c drivepress -n __fish_use_subcommand -f -a disarm -d 'start no drive any more'
complete -c drivepress -n __fish_use_subcommand -f -a start -d 'start drives that are in already, or once more'
complete -c drivepress -n __fish_use_subcommand -f -a stop -d 'end passes now'
complete -c drivepress -n __fish_use_subcommand -f -a slots -d 'which port is which slot'
complete -c drivepress -n __fish_use_subcommand -f -a reload -d 'have the daemon read its configuration again'
complete -c drivepress -n __fish_use_subcommand -f -a help -d 'what a verb does and its options'
complete -c drivepress -n __fish_use_subcommand -f -l version -d 'the version of this program'
complete -c drivepress -n '__drivepress_verb help' -f -a 'write verify image status arm disarm start stop slots reload'

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

set -l image '__drivepress_verb image'
complete -c drivepress -n "$image; and not __fish_seen_subcommand_from add list show verify" -f -a 'add list show verify'
complete -c drivepress -n "$image; and __fish_seen_subcommand_from show verify" -a '(__drivepress_images)'
complete -c drivepress -n "$image; and __fish_seen_subcommand_from add" -l name -x -d 'what to call it'
complete -c drivepress -n "$image; and __fish_seen_subcommand_from add" -l manifest-only -d 'copy nothing'
complete -c drivepress -n $image -l images -r -d 'the directory of the images'
complete -c drivepress -n $image -l json -d 'print one JSON object'
complete -c drivepress -n $image -l help -d help

set -l rig '__drivepress_verb status arm disarm start stop reload'
complete -c drivepress -n $rig -f
complete -c drivepress -n "$rig; or __drivepress_slots_verb list" -l json -d 'print one JSON object'
complete -c drivepress -n "$rig; or __drivepress_slots_verb list" -l socket -r -d "the daemon's socket"
complete -c drivepress -n $rig -s h -l help -d help
complete -c drivepress -n '__drivepress_verb status' -l no-color -d 'no colours'
complete -c drivepress -n '__drivepress_verb arm' -l image -x -a 'auto (__drivepress_images)' -d 'what drives are made from'
complete -c drivepress -n '__drivepress_verb arm' -l mode -x -a 'write+verify write verify' -d 'what is done'
complete -c drivepress -n '__drivepress_verb start stop' -a '(__drivepress_slots)' -d slot
complete -c drivepress -n '__drivepress_verb start stop' -l all -d 'every drive that it is about'

set -l slots '__drivepress_verb slots'
complete -c drivepress -n "$slots; and not __drivepress_slots_verb list learn claim" -f -a 'list learn claim'
complete -c drivepress -n $slots -f
complete -c drivepress -n $slots -s h -l help -d help
complete -c drivepress -n $slots -l config -r -d 'the configuration'
complete -c drivepress -n '__drivepress_slots_verb learn claim' -l claim -r -d 'where the claim goes'
complete -c drivepress -n '__drivepress_slots_verb learn' -l output -r -d 'where the slots go'
complete -c drivepress -n '__drivepress_slots_verb learn' -l columns -x -d 'ports in a row'
complete -c drivepress -n '__drivepress_slots_verb learn' -l prefix -x -d 'what the names begin with'
complete -c drivepress -n '__drivepress_slots_verb learn' -l replace -d 'forget the slots that the configuration has'
complete -c drivepress -n '__drivepress_slots_verb learn claim' -s y -l yes -d 'do not ask before writing'
