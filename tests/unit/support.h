// SPDX-License-Identifier: GPL-3.0-or-later
#ifndef UNIT_SUPPORT_H
#define UNIT_SUPPORT_H

/* What every unit test includes: cmocka, with the headers that it wants before it. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#endif
