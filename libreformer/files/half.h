/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/*
 * 16-bit floating point in host memory, in the host's byte order. Narrowing rounds to the nearest, ties to even; what is too large becomes infinity;
 * a NaN stays a quiet NaN with its sign and upper bits.
 */

float   reformer_float32_from_float16  (guint16 half);
guint16 reformer_float16_from_float32  (float   value);
float   reformer_float32_from_bfloat16 (guint16 half);
guint16 reformer_bfloat16_from_float32 (float   value);

G_END_DECLS
