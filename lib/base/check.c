// SPDX-License-Identifier: GPL-3.0-or-later
#include "lib/base/check.h"

#include <stdio.h>
#include <stdlib.h>

_Noreturn void check_failed(const char *condition, const char *file, int line, const char *function)
{
    (void)fprintf(stderr, "drivepress: bug: check(%s) failed in %s at %s:%d\n", condition, function,
                  file, line);
    abort();
}
