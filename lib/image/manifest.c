// SPDX-License-Identifier: GPL-3.0-or-later
#include "lib/image/manifest.h"

#include "lib/base/text.h"
#include "lib/base/units.h"
#include "lib/image/file.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static bool name_character(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '_' || c == '-';
}

bool manifest_name_valid(const char *name)
{
    size_t length = strnlen(name, MANIFEST_NAME_LENGTH_MAX + 1);

    if (length == 0 || length > MANIFEST_NAME_LENGTH_MAX || name[0] == '.' || name[0] == '-')
        return false;
    for (size_t i = 0; i < length; i++) {
        if (!name_character(name[i]))
            return false;
    }
    return true;
}

int manifest_check_name(const char *name, char reason[IMAGE_REASON_BYTES])
{
    if (manifest_name_valid(name))
        return 0;
    reason_format(reason,
                  "'%.100s' cannot be the name of an image; use 1 to %d of A-Z a-z 0-9 . _ - and "
                  "begin with a letter, a digit or _",
                  name, MANIFEST_NAME_LENGTH_MAX);
    return -EINVAL;
}

static bool ends_with(const char *text, size_t length, const char *suffix)
{
    size_t suffix_length = strlen(suffix);
    return length > suffix_length &&
           memcmp(text + length - suffix_length, suffix, suffix_length) == 0;
}

void manifest_name_from_path(char name[MANIFEST_NAME_BYTES], const char *path)
{
    const char *slash = strrchr(path, '/');
    const char *base = slash == NULL ? path : slash + 1;
    size_t length = strlen(base);

    if (ends_with(base, length, ".img") || ends_with(base, length, ".iso") ||
        ends_with(base, length, ".raw"))
        length -= 4;
    while (length > 0 && (*base == '.' || !name_character(*base) || *base == '-')) {
        base++;
        length--;
    }
    if (length == 0) {
        memcpy(name, "image", sizeof("image"));
        return;
    }
    if (length > MANIFEST_NAME_LENGTH_MAX)
        length = MANIFEST_NAME_LENGTH_MAX;
    for (size_t i = 0; i < length; i++)
        name[i] = name_character(base[i]) ? base[i] : '-';
    name[length] = '\0';
}

int manifest_load_for(struct manifest *manifest, const char *path, const char *image_path,
                      uint64_t image_bytes, char reason[IMAGE_REASON_BYTES])
{
    char word[200];
    int error = manifest_load(manifest, path, reason);
    if (error == -ENOENT)
        reason_format(reason,
                      "%s: this image has no manifest; if you trust it, make one with "
                      "`drivepress image add --manifest-only %s`",
                      reason_path(image_path),
                      text_shell_word(word, sizeof(word), image_path, "FILE"));
    if (error != 0 || manifest->size_bytes == image_bytes)
        return error;
    reason_format(reason,
                  "%s: the image has %" PRIu64 " bytes, but its manifest says %" PRIu64
                  "; copy the image again, or if you trust it make a new manifest with "
                  "`drivepress image add --manifest-only`",
                  reason_path(image_path), image_bytes, manifest->size_bytes);
    manifest_free(manifest);
    return -EBADMSG;
}

void manifest_free(struct manifest *manifest)
{
    free(manifest->chunks);
    manifest->chunks = NULL;
}

int manifest_check_size(const char *image_path, uint64_t size_bytes, uint32_t chunk_bytes,
                        char reason[IMAGE_REASON_BYTES])
{
    uint64_t most_bytes = min_u64(IMAGE_BYTES_MAX, (uint64_t)MANIFEST_CHUNKS_MAX * chunk_bytes);

    if (size_bytes <= most_bytes)
        return 0;
    reason_format(reason,
                  "%s: the image is larger than %" PRIu64 " GiB, the most that drivepress writes; "
                  "use a smaller one",
                  reason_path(image_path), most_bytes / GIB);
    return -EFBIG;
}

uint64_t manifest_padded_bytes(uint64_t size_bytes)
{
    return round_up_u64(size_bytes, IMAGE_SECTOR_BYTES);
}

uint64_t manifest_chunk_count(uint64_t size_bytes, uint32_t chunk_bytes)
{
    return round_up_u64(manifest_padded_bytes(size_bytes), chunk_bytes) / chunk_bytes;
}
