// SPDX-License-Identifier: GPL-3.0-or-later
#include "lib/base/check.h"
#include "lib/image/manifest.h"

#include <errno.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Any text is refused with a reason that is safe to print, or gives a manifest that holds what its
 * header promises. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct manifest manifest;
    char reason[IMAGE_REASON_BYTES] = "";
    int error = manifest_parse(&manifest, (const char *)data, size, "fuzz", reason);

    if (error != 0) {
        check(manifest.chunks == NULL);
        check(error == -EBADMSG || error == -ENOMEM);
        check(reason[0] != '\0' && strpbrk(reason, "\n\r\033") == NULL);
        return 0;
    }
    check(manifest_name_valid(manifest.name));
    check(manifest.size_bytes > 0 && manifest.chunk_count <= MANIFEST_CHUNKS_MAX);
    check(manifest.chunk_count == manifest_chunk_count(manifest.size_bytes, manifest.chunk_bytes));
    check(strlen(manifest.sha256) == SHA256_TEXT_BYTES - 1);
    manifest_free(&manifest);
    return 0;
}
