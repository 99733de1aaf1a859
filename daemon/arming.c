// SPDX-License-Identifier: GPL-3.0-or-later
#include "daemon/log.h"
#include "daemon/service.h"
#include "lib/base/check.h"
#include "lib/wire/service.h"

#include <stdio.h>
#include <string.h>

/* What the rig is to do with the drives that come.
 *
 * Happy path: the images are opened on their own thread, made known to the press, and the press is
 * armed with them; images that nothing needs any more are forgotten.
 *
 * Failure modes: an image that is missing or not to be trusted, or a catalogue that does not
 * answer, leaves everything as it was. When no armed image is sound any more, it is disarmed. */

enum {
    /* After the start, drives may still be on their way to us that were plugged in long before: a
     * hub that gets its power, a bus that is being scanned. */
    SETTLE_MS = 5000,

    /* A drive with a bad contact, which comes and goes, holds nothing up for longer. */
    SETTLE_MS_MAX = 60000,
};

static void fail(struct service *service, enum wire_error error, const char *reason)
{
    service->arming = false;
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
        images_close_source(service->images, source);
    }
}

/* The number of an image: a known one's, if it is the same and sound, so that passes share. */
static uint32_t number_of(struct service *service, struct source *source)
{
    struct shell *shell = &service->shell;

    for (uint32_t i = 0; i < IMAGES_MAX; i++) {
        if (shell->sources[i] != NULL && shell->sources[i]->image.fault == IMAGE_SOUND &&
            images_same(shell->sources[i], source)) {
            images_close_source(service->images, source);
            return i;
        }
    }
    uint32_t number = shell_add_image(shell, source);
    if (number == IMAGES_MAX)
        images_close_source(service->images, source);
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

/* Makes the images of a set known to the press. Returns those that are. */
static uint64_t take_images(struct service *service, const struct image_set *set)
{
    uint64_t images = 0;
    uint32_t left_out = 0;

    forget_unused(service);
    for (uint32_t i = 0; i < set->count; i++) {
        uint32_t number = number_of(service, set->sources[i]);
        if (number != IMAGES_MAX)
            images |= UINT64_C(1) << number;
        else
            left_out++;
    }
    if (set->skipped > 0)
        log_message(LOG_LEVEL_WARNING, "%u images cannot be used; the first: %s", set->skipped,
                    set->reason);
    if (left_out > 0)
        log_message(LOG_LEVEL_WARNING,
                    "%u images are left out, for drives are still made from many others; wait "
                    "until those are done, and arm again",
                    left_out);
    return images;
}

static void on_loaded(void *context, const struct image_set *set)
{
    struct service *service = context;

    if (set->error != 0) {
        fail(service, images_error(set->error), set->reason);
        return;
    }
    uint64_t images = take_images(service, set);
    if (images == 0) {
        fail(service, WIRE_ERROR_BUSY, "too many images are in use; wait until drives are done");
        return;
    }
    service->arming = false;
    service->armed = true;
    service->armed_images = images;
    memcpy(service->armed_image, service->arming_image, sizeof(service->armed_image));
    service->armed_mode = service->arming_mode;
    shell_arm(&service->shell, service->armed_mode, images);
    forget_unused(service);
    tell_armed(service, (uint32_t)__builtin_popcountll(images));
    service_tell_manager(service);
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
    int error = images_load(service->images, service->config->images, image,
                            service->shell.chunk_bytes, IMAGES_WAIT_MS, on_loaded, service);
    if (error != 0) {
        (void)snprintf(reason, WIRE_REASON_BYTES,
                       "cannot open images: %s; is the catalogue's disk or share well?",
                       strerror(-error));
        return WIRE_ERROR_BUSY;
    }
    service->arming = true;
    service->arming_client = client;
    service->arming_id = request_id;
    service->arming_mode = mode;
    (void)snprintf(service->arming_image, sizeof(service->arming_image), "%s", image);
    return WIRE_ERROR_COUNT;
}

static void stop_settling(struct service *service)
{
    (void)uv_timer_stop(&service->settle);
    (void)uv_timer_stop(&service->settle_end);
}

/* Gives up what is under way, and answers who waits for it. */
static void give_up(struct service *service, const char *reason)
{
    stop_settling(service);
    if (!service->arming)
        return;
    images_give_up(service->images);
    fail(service, WIRE_ERROR_BUSY, reason);
}

static void let_go(struct service *service)
{
    service->armed = false;
    shell_disarm(&service->shell);
    forget_unused(service);
    service_tell_manager(service);
}

void arming_disarm(struct service *service)
{
    give_up(service, "it was disarmed meanwhile");
    if (!service->armed)
        return;
    let_go(service);
    log_message(LOG_LEVEL_NOTICE, "disarmed: no drive is started any more; those that run go on");
}

void arming_end(struct service *service)
{
    give_up(service, SERVICE_ENDING);
    (void)uv_timer_stop(&service->master_timer);
    if (service->armed)
        let_go(service);
}

void arming_reload(struct service *service)
{
    bool by_itself = uv_is_active((const uv_handle_t *)&service->settle) ||
                     (service->arming && service->arming_client == 0);

    if (by_itself && !service->config->arm_on_start)
        give_up(service, "[policy] arm_on_start was switched off");
}

/* --- A master that broke ---------------------------------------------------------------------- */

static void on_master_timer(uv_timer_t *timer)
{
    struct service *service = timer->data;
    const char *name = NULL;

    if (!service->armed)
        return;
    for (uint32_t i = 0; i < IMAGES_MAX; i++) {
        const struct source *source = service->shell.sources[i];
        if ((service->armed_images >> i & 1) == 0)
            continue;
        if (source->image.fault == IMAGE_SOUND)
            return;
        if (name == NULL)
            name = source->name;
    }
    log_message(LOG_LEVEL_ERROR,
                "disarmed, for no drive can be made any more: %s; look with `drivepress image "
                "verify %s`, then arm again",
                service->master_trouble, name);
    let_go(service);
}

void arming_master_failed(struct service *service, const char *why)
{
    (void)snprintf(service->master_trouble, sizeof(service->master_trouble), "%s",
                   why[0] != '\0' ? why : "the master image is not sound");
    check(uv_timer_start(&service->master_timer, on_master_timer, 0, 0) == 0);
}

/* --- By itself, after the start --------------------------------------------------------------- */

static void on_settled(uv_timer_t *timer)
{
    struct service *service = timer->data;
    char reason[WIRE_REASON_BYTES];

    stop_settling(service);
    if (service->armed || service->arming)
        return;
    if (arming_arm(service, service->config->image, service->config->mode, 0, 0, reason) !=
        WIRE_ERROR_COUNT)
        log_message(LOG_LEVEL_ERROR, "not armed: %s", reason);
}

void arming_start(struct service *service)
{
    if (!service->config->arm_on_start)
        return;
    check(uv_timer_start(&service->settle, on_settled, SETTLE_MS, SETTLE_MS) == 0);
    check(uv_timer_start(&service->settle_end, on_settled, SETTLE_MS_MAX, 0) == 0);
}
