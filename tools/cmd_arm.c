// SPDX-License-Identifier: GPL-3.0-or-later
/* drivepress arm: from now on drives are worked on as soon as they are plugged in. */
#include "lib/core/verdict.h"
#include "lib/wire/field.h"
#include "lib/wire/service.h"
#include "tools/arguments.h"
#include "tools/commands.h"
#include "tools/service_verb.h"
#include "tools/text.h"

#include <stdio.h>
#include <string.h>

static const char help[] =
    "Usage: drivepress arm [OPTION]...\n"
    "\n"
    "From now on every drive that is plugged into the rig starts by itself.\n"
    "ALL DATA ON THESE DRIVES IS LOST, unless the mode is verify.\n"
    "Drives that are in already wait for `drivepress start`.\n"
    "\n"
    "      --image NAME   an image of the catalogue, or auto: the largest that fits each drive\n"
    "                     (default: as configured, else auto)\n"
    "      --mode MODE    write+verify, write (the same: what is written is always verified),\n"
    "                     or verify (default: as configured, else write+verify)\n" //
    SERVICE_HELP_JSON                                                              //
        SERVICE_HELP_SOCKET                                                        //
            SERVICE_HELP_HELP                                                      //
                SERVICE_HELP_EXIT "\n"
    "Example: drivepress arm --image films-2026\n";

static bool fill_in(struct arm_request *request, const char *image, const char *mode,
                    int *exit_code)
{
    if (image != NULL &&
        (image[0] == '\0' || strlen(image) >= sizeof(request->image) || !text_is_clean(image))) {
        *exit_code =
            arguments_wrong("arm", "--image needs the name of an image, or auto, not: ", image);
        return false;
    }
    if (image != NULL)
        (void)snprintf(request->image, sizeof(request->image), "%s", image);
    request->has_mode = mode != NULL;
    if (mode != NULL && !press_mode_from_word(mode, &request->mode)) {
        *exit_code =
            arguments_wrong("arm", "--mode needs write, verify or write+verify, not: ", mode);
        return false;
    }
    return true;
}

static void print_result(const struct arm_result *result)
{
    bool automatic = strcmp(result->image, "auto") == 0;

    (void)fputs("Armed with ", stdout);
    text_say(stdout, result->image);
    if (automatic)
        (void)printf(" (of %u %s, the largest that fits each drive)", result->image_count,
                     result->image_count == 1 ? "image" : "images");
    (void)printf(", %s.\n", press_mode_word(result->mode));
    (void)puts(
        result->mode == MODE_WRITE
            ? "Every drive that is plugged in from now on is ERASED, written and verified."
            : "Every drive that is plugged in from now on is compared with its image; nothing "
              "is\nwritten.");
    if (result->waiting_count == 1)
        (void)puts("1 drive was in before and waits for a start: `drivepress start --all`, or name "
                   "its\nslot (`drivepress status` shows it).");
    else if (result->waiting_count > 1)
        (void)printf("%u drives were in before and wait for a start: `drivepress start --all`, or "
                     "name\ntheir slots (`drivepress status` shows them).\n",
                     result->waiting_count);
}

int cmd_arm(int argc, char **argv)
{
    const char *image = NULL;
    const char *mode = NULL;
    const char *socket = NULL;
    bool json = false;
    const struct argument_option options[] = {
        {"image", 0, NULL, &image},
        {"mode", 0, NULL, &mode},
        {"socket", 0, NULL, &socket},
        {"json", 0, &json, NULL},
    };
    const struct arguments arguments = {
        .verb = "arm", .help = help, .options = options, .option_count = 4};
    struct arm_request request = {.has_mode = false};
    struct arm_result result;
    json_t *answer = NULL;

    int exit_code = arguments_parse(&arguments, argc, argv, NULL, NULL);
    if (exit_code >= 0 || !fill_in(&request, image, mode, &exit_code))
        return exit_code;
    exit_code = service_ask("arm", socket, false, WIRE_METHOD_JOB_ARM, arm_request_encode(&request),
                            &answer);
    if (exit_code != EXIT_ALL_PASSED)
        return exit_code;
    if (json)
        return service_flush("arm", service_print_json("arm", answer, EXIT_ALL_PASSED));
    if (arm_result_decode(&result, answer) == 0)
        print_result(&result);
    else
        exit_code = service_bad_answer("arm");
    json_decref(answer);
    return service_flush("arm", exit_code);
}
