// SPDX-License-Identifier: GPL-3.0-or-later
#include "daemon/log.h"
#include "daemon/service.h"
#include "lib/base/check.h"
#include "lib/wire/service.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* What the rig is to do with the drives that come.
 *
 * Happy path: the images are opened on their own thread, made known to the press, and the press is
 * armed with them; images that nothing needs any more are forgotten.
 *
 * Failure modes: an image that is missing or not to be trusted leaves everything as it was. */

/* After the start, drives may still be on their way to us that were plugged in long before: a hub
 * that gets its power, a bus that is being scanned. */
enum { SETTLE_MS = 5000 };

static enum wire_error error_of(int error)
{
    switch (error) {
    case -EBADMSG:
    case -ESTALE:
        return WIRE_ERROR_IMAGE_UNTRUSTED;
    case -ENOMEM:
        return WIRE_ERROR_NO_MEMORY;
    default:
        return WIRE_ERROR_IMAGE_MISSING;
    }
}

static void fail(struct service *service, enum wire_error error, const char *reason)
{
    log_message(LOG_LEVEL_ERROR, "not armed with %s: %s", service->arming_image, reason);
    if (service->arming_client != 0)
        server_answer(service->server, service->arming_client,
                      message_error(true, service->arming_id, error, reason));
}

static void forget_unused(struct service *service)
{
    struct shell *shell = &service->shell;

    for (uint32_t i = 0; i < IMAGES_MAX; i++) {
        struct source *source = shell->sources[i];
        if (source == NULL || shell_image_used(shell, i))
            continue;
        shell_forget_image(shell, i);
        images_close_source(source);
    }
}

/* The number of an image: a known one's, if it is the same and sound, so that passes share. */
static uint32_t number_of(struct service *service, struct source *source)
{
    struct shell *shell = &service->shell;

    for (uint32_t i = 0; i < IMAGES_MAX; i++) {
        if (shell->sources[i] != NULL && shell->sources[i]->image.fault == IMAGE_SOUND &&
            images_same(shell->sources[i], source)) {
            images_close_source(source);
            return i;
        }
    }
    uint32_t number = shell_add_image(shell, source);
    if (number == IMAGES_MAX)
        images_close_source(source);
    return number;
}

static uint32_t count_waiting(const struct service *service)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < service->shell.slot_count; i++) {
        struct slot_report report;
        shell_report(&service->shell, i, &report);
        count += report.state == SLOT_READY ? 1 : 0;
    }
    return count;
}

static void tell_armed(struct service *service, uint32_t image_count)
{
    struct arm_result result = {.mode = service->armed_mode,
                                .image_count = image_count,
                                .waiting_count = count_waiting(service)};

    (void)snprintf(result.image, sizeof(result.image), "%s", service->armed_image);
    log_message(LOG_LEVEL_NOTICE,
                "armed: %s, %s; drives that are plugged in now start by themselves", result.image,
                press_mode_word(result.mode));
    if (service->arming_client != 0)
        server_answer(service->server, service->arming_client,
                      message_result(service->arming_id, arm_result_encode(&result)));
}

static void drop_set(const struct image_set *set)
{
    for (uint32_t i = 0; i < set->count; i++)
        images_close_source(set->sources[i]);
}

static void on_loaded(void *context, const struct image_set *set)
{
    struct service *service = context;
    uint64_t images = 0;

    service->arming = false;
    if (set->error != 0 || service->arming_cancelled) {
        drop_set(set);
        fail(service, set->error != 0 ? error_of(set->error) : WIRE_ERROR_BUSY,
             set->error != 0 ? set->reason : "it was disarmed meanwhile");
        return;
    }
    if (set->skipped > 0)
        log_message(LOG_LEVEL_WARNING, "%u images cannot be used; the first: %s", set->skipped,
                    set->reason);
    forget_unused(service);
    for (uint32_t i = 0; i < set->count; i++) {
        uint32_t number = number_of(service, set->sources[i]);
        if (number != IMAGES_MAX)
            images |= UINT64_C(1) << number;
    }
    if (images == 0) {
        fail(service, WIRE_ERROR_BUSY, "too many images are in use; wait until drives are done");
        return;
    }
    service->armed = true;
    memcpy(service->armed_image, service->arming_image, sizeof(service->armed_image));
    service->armed_mode = service->arming_mode;
    shell_arm(&service->shell, service->armed_mode, images);
    forget_unused(service);
    tell_armed(service, (uint32_t)__builtin_popcountll(images));
}

enum wire_error arming_arm(struct service *service, const char *image, enum press_mode mode,
                           uint64_t client, uint64_t request_id, char reason[WIRE_REASON_BYTES])
{
    if (strcmp(image, "auto") != 0 && !manifest_name_valid(image)) {
        (void)snprintf(reason, WIRE_REASON_BYTES,
                       "an image is armed by its name in the catalogue, or \"auto\"; add a file "
                       "with `drivepress image add`");
        return WIRE_ERROR_BAD_PARAMS;
    }
    if (service->arming) {
        (void)snprintf(reason, WIRE_REASON_BYTES,
                       "the images for an earlier request are still being opened; try again");
        return WIRE_ERROR_BUSY;
    }
    service->arming = true;
    service->arming_cancelled = false;
    service->arming_client = client;
    service->arming_id = request_id;
    service->arming_mode = mode;
    (void)snprintf(service->arming_image, sizeof(service->arming_image), "%s", image);
    images_load(service->images, service->config->images, image, service->shell.chunk_bytes,
                on_loaded, service);
    return WIRE_ERROR_COUNT;
}

void arming_disarm(struct service *service)
{
    service->arming_cancelled = true;
    (void)uv_timer_stop(&service->settle);
    if (!service->armed)
        return;
    service->armed = false;
    shell_disarm(&service->shell);
    forget_unused(service);
    log_message(LOG_LEVEL_NOTICE, "disarmed: no drive is started any more; those that run go on");
}

static void on_settled(uv_timer_t *timer)
{
    struct service *service = timer->data;
    char reason[WIRE_REASON_BYTES];

    (void)uv_timer_stop(timer);
    if (service->armed || service->arming)
        return;
    if (arming_arm(service, service->config->image, service->config->mode, 0, 0, reason) !=
        WIRE_ERROR_COUNT)
        log_message(LOG_LEVEL_ERROR, "not armed: %s", reason);
}

void arming_start(struct service *service)
{
    if (service->config->arm_on_start)
        check(uv_timer_start(&service->settle, on_settled, SETTLE_MS, SETTLE_MS) == 0);
}
